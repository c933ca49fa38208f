# Two commands for a newcomer: `make run` and `make test`. Everything below sets up what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BENCH_VENV := .venv-bench
INGEST_VENV := .venv-ingest
BIN := $(VENV)/bin
DEMO := demo
NUM_TILES := 600

# Every other variable given on the command line is a setting of the run: TRAIN_NUM_WORKERS=4 becomes
# --train-num-workers=4. `make run HELP=1` lists them all.
OWN := TO PYTHON DEMO NUM_TILES SOURCE HELP
given = $(filter-out $(OWN),$(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $(v))),$(v))))
flag = --$(shell echo $(1) | tr 'A-Z_' 'a-z-')='$($(1))'
settings = $(foreach v,$(given),$(call flag,$(v)))

SOURCE := $(DEMO)/tiles-$(NUM_TILES)

.DEFAULT_GOAL := help
.PHONY: help mirror run demo test bench faults check lint compile lock image clean
.DELETE_ON_ERROR:

help: ## List every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

run: $(VENV)/.run $(if $(filter command,$(origin SOURCE)),,$(DEMO)/tiles-$(NUM_TILES)) ## Run the whole pipeline here, on demo tiles or on SOURCE=<folder or gs:// URI>
	@$(BIN)/agrivision run $(if $(HELP),--help,--source-uri='$(SOURCE)' $(if $(DATA_ROOT),,--data-root=data) $(if $(MODELS_URI),,--models-uri=models) $(settings))

demo: $(VENV)/.run $(DEMO)/tiles-$(NUM_TILES) ## Make the demo tiles only

$(DEMO)/tiles-%: | $(VENV)/.run
	$(BIN)/agrivision synth --num-tiles $* $@

mirror: $(INGEST_VENV)/.ingest ## Copy tiles from s3://, or from anywhere, to a folder or gs:// URI: SOURCE=s3://bucket/tiles TO=tiles
	@$(if $(TO),,echo "give SOURCE=s3://<bucket>/<folder> and TO=<folder or gs:// URI>" >&2; exit 2;) $(INGEST_VENV)/bin/agrivision mirror '$(SOURCE)' '$(TO)'

test: $(VENV)/.dev ## Run the tests
	$(BIN)/pytest -n 2 --dist loadfile

bench: $(BENCH_VENV)/.bench ## Measure speed and memory against the peers, and write bench.json (BENCH='--help' lists the options)
	$(BENCH_VENV)/bin/python -m bench $(BENCH)

faults: $(VENV)/.run ## Kill, freeze and end training workers at random moments, and compare the weights (FAULTS='--help' lists the options)
	$(BIN)/python -m faults $(FAULTS)

check: lint test ## ruff, mypy --strict, import-linter, golden files, tests

lint: $(VENV)/.dev ## Everything of check but the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/agrivision compile --check

compile: $(VENV)/.run ## Compile the pipeline to pipeline/training_pipeline.yaml
	$(BIN)/agrivision compile

lock: $(VENV)/.dev ## Resolve the hash-locked requirements anew
	$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml requirements/build.in -o requirements/cpu.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml requirements/dev.in -c requirements/cpu.txt -o requirements/dev.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml requirements/build.in requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/ingest.in requirements/build.in -o requirements/ingest.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/s3-server.in -o requirements/s3-server.txt

LOCK_OPTIONS := -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

image: ## Build the container image (IMAGE=name:tag)
	docker build -t $(or $(IMAGE),localhost/agrivision-python:dev) -f docker/Dockerfile --target cpu .

clean: ## Remove the environment, demo data and runs (never data/ or models/)
	rm -rf $(VENV) $(INGEST_VENV) $(DEMO) runs

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed, but $(PYTHON) is $$($(PYTHON) --version); give it as PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/cpu.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/cpu.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# An environment of its own: the peers of the bench take gigabytes and are no part of the project.
$(BENCH_VENV)/.bench: requirements/bench.txt pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BENCH_VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# An environment of its own, too: tensorflow-io, which reads s3://, needs an older TensorFlow.
$(INGEST_VENV)/.ingest: requirements/ingest.txt pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(INGEST_VENV)
	$(INGEST_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/ingest.txt
	$(INGEST_VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
