# Two commands for a newcomer: `make run` and `make test`. Everything below sets up what it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BENCH_VENV := .venv-bench
INGEST_VENV := .venv-ingest
SCAN_VENV := .venv-scan
AUDIT_VENV := .venv-audit
DOCS_VENV := .venv-docs
BIN := $(VENV)/bin
DEMO := demo
NUM_TILES := 600

# Every other variable given on the command line is a setting of the run: TRAIN_NUM_WORKERS=4 becomes
# --train-num-workers=4. `make run HELP=1` lists them all.
OWN := TO PYTHON DEMO NUM_TILES SOURCE HELP IMAGE BASE TARGET VENV KIND_DATA KFP_VERSION
given = $(filter-out $(OWN),$(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $(v))),$(v))))
# As one word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
flag = --$(shell echo $(1) | tr 'A-Z_' 'a-z-')=$(call quoted,$(value $(1)))
settings = $(foreach v,$(given),$(call flag,$(v)))

SOURCE := $(DEMO)/tiles-$(NUM_TILES)
# A dollar sign in what the user gives is one.
source = $(value SOURCE)

.DEFAULT_GOAL := help
.PHONY: help mirror run demo test test-long hostile test-cluster bench faults check lint scan audit docs compile proto lock image images kind-up kind-run kind-down clean
.DELETE_ON_ERROR:

help: ## List every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

run: $(VENV)/.run $(if $(filter command,$(origin SOURCE)),,$(DEMO)/tiles-$(NUM_TILES)) ## Run the whole pipeline here, on demo tiles or on SOURCE=<folder or gs:// URI>
	@$(BIN)/agrivision run $(if $(HELP),--help,--source-uri=$(call quoted,$(source)) $(if $(DATA_ROOT),,--data-root=data) $(if $(MODELS_URI),,--models-uri=models) $(settings))

demo: $(VENV)/.run $(DEMO)/tiles-$(NUM_TILES) ## Make the demo tiles only

$(DEMO)/tiles-%: | $(VENV)/.run
	$(BIN)/agrivision synth --num-tiles $* $@

mirror: $(INGEST_VENV)/.ingest ## Copy tiles from s3://, or from anywhere, to a folder or gs:// URI: SOURCE=s3://bucket/tiles TO=tiles
	@$(if $(TO),,echo "give SOURCE=s3://<bucket>/<folder> and TO=<folder or gs:// URI>" >&2; exit 2;) $(INGEST_VENV)/bin/agrivision mirror $(call quoted,$(source)) $(call quoted,$(value TO))

test: $(VENV)/.dev ## Run the tests, but for those that take long, attack, or need a cluster
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long and not hostile and not cluster and not kfp"

test-long: $(VENV)/.dev ## Run the tests that take long
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "long and not hostile"

# The system bounds the whole: no process may take more than 4 GB of data, nor all of them 20 minutes. What is attacked
# without TensorFlow runs in processes that are bounded to 512 MB (tests/support/hostile/bounded.py).
hostile: $(VENV)/.dev ## Attack it with hostile images, documents and names, bounded in memory and time
	ulimit -d 4194304 && timeout 1200 $(BIN)/pytest -m "hostile and not cluster and not kfp"

# One after the other: they share the nodes of a cluster.
test-cluster: $(VENV)/.dev ## Run the tests that change a cluster: KUBECONFIG and KFP_ENDPOINT name it (CONTRIBUTING.md)
	$(BIN)/pytest -m "cluster or kfp"

bench: $(BENCH_VENV)/.bench ## Measure speed and memory against the peers, and write bench.json (BENCH='--help' lists the options)
	$(BENCH_VENV)/bin/python -m bench $(BENCH)

faults: $(VENV)/.run ## Kill, freeze and end training processes at random moments, and look what they come to (FAULTS='--help' lists the options)
	$(BIN)/python -m faults $(FAULTS)

check: lint test hostile ## ruff, mypy --strict, import-linter, golden files, tests, attacks

lint: $(VENV)/.dev ## Everything of check but the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/agrivision compile --check
	$(BIN)/hadolint docker/Dockerfile docker/base/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet .github

scan: needs-kubectl $(SCAN_VENV)/.scan ## Look for weak settings in manifests, Dockerfile and workflows with checkov
	rm -rf $(SCAN_VENV)/rendered && mkdir $(SCAN_VENV)/rendered
	for name in demo overlays/kind overlays/gke overlays/nfs overlays/serving \
	    overlays/serving-canary; do \
	  kubectl kustomize manifests/$$name >$(SCAN_VENV)/rendered/$$(basename $$name).yaml || exit; done
	$(SCAN_VENV)/bin/checkov --config-file .checkov.yaml --framework kubernetes -d $(SCAN_VENV)/rendered
	$(SCAN_VENV)/bin/checkov --config-file .checkov.yaml --framework dockerfile -f docker/Dockerfile
	$(SCAN_VENV)/bin/checkov --config-file .checkov.yaml --framework github_actions -d .github

audit: $(AUDIT_VENV)/.audit ## Look for known vulnerabilities in the locks; skipped where their database cannot be reached
	.ci/audit $(AUDIT_VENV)/bin/pip-audit

docs: $(DOCS_VENV)/.docs ## Build the site of docs/: then open site/index.html
	$(DOCS_VENV)/bin/mkdocs build --strict

compile: $(VENV)/.run ## Compile the pipelines to pipeline/*.yaml
	$(BIN)/agrivision compile

# The oldest protobuf that a lock names, 4.25 of the ingest image, takes nothing that a newer compiler writes; the others take
# what this one writes.
PROTO_COMPILER := --with grpcio-tools==1.62.3 --with setuptools==80.9.0

proto: $(VENV)/.dev ## Generate components/records/example_pb2.py anew from example.proto
	$(BIN)/uv run -q --no-project --isolated --python $(BIN)/python $(PROTO_COMPILER) \
	  python -m grpc_tools.protoc -I. --python_out=. components/records/example.proto

lock: $(VENV)/.dev ## Resolve the hash-locked requirements anew
	$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml --extra raster --extra serve requirements/build.in -o requirements/cpu.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml --all-extras requirements/dev.in -c requirements/cpu.txt -o requirements/dev.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml --extra raster --extra serve requirements/build.in requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) --overrides requirements/ingest-overrides.in requirements/ingest.in requirements/build.in -o requirements/ingest.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/s3-server.in -o requirements/s3-server.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/sbom.in -o requirements/sbom.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/scan.in -o requirements/scan.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/audit.in -o requirements/audit.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/docs.in -c requirements/cpu.txt -o requirements/docs.txt
	$(BIN)/uv pip compile $(LINUX_LOCK_OPTIONS) pyproject.toml requirements/gpu.in -c requirements/cpu.txt -o requirements/gpu.txt
	$(BIN)/uv pip compile $(LINUX_LOCK_OPTIONS) pyproject.toml requirements/tpu.in -o requirements/tpu.txt

LOCK := -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
LOCK_OPTIONS := $(LOCK) --universal
# Images with accelerators run on this platform only, with another build of TensorFlow than the one that pyproject.toml names.
LINUX_LOCK_OPTIONS := $(LOCK) --python-platform x86_64-manylinux_2_31 --overrides requirements/accelerators.in

IMAGE := localhost/agrivision-python:dev
TARGET := cpu
# By digest; BASE=python:3.11-slim-bookworm takes the newest there is.
BASE = $(shell sed -n 's/^FROM //p' docker/base/Dockerfile)
build = docker build -t $(1) -f docker/Dockerfile --target $(2) --build-arg BASE=$(BASE) --build-arg REVISION=$(or $(shell git rev-parse HEAD 2>&-),unknown) .

image: needs-docker ## Build the image of one target: IMAGE=name:tag TARGET=cpu, gpu, tpu or ingest
	$(call build,$(IMAGE),$(TARGET))

images: needs-docker ## Build the images of all targets, named IMAGE, IMAGE-gpu, IMAGE-tpu and IMAGE-ingest
	$(call build,$(IMAGE),cpu)
	$(call build,$(IMAGE)-gpu,gpu)
	$(call build,$(IMAGE)-tpu,tpu)
	$(call build,$(IMAGE)-ingest,ingest)

# What the targets above and below run, and where to get it.
get.docker := https://docs.docker.com/get-docker
get.kind := https://kind.sigs.k8s.io/docs/user/quick-start
get.kubectl := https://kubernetes.io/docs/tasks/tools

needs-%:
	@command -v $* >/dev/null || { echo "needs $*, which is not on PATH; get it from $(get.$*)" >&2; exit 2; }

# A cluster on this machine, with Kubeflow Pipelines. All that it keeps is in $(KIND_DATA), which every node mounts.
KIND_DATA := .kind
KIND_TILES := tiles-$(NUM_TILES)
KFP := github.com/kubeflow/pipelines/manifests/kustomize
KFP_VERSION := 2.17.0
KUBECTL := kubectl --context kind-agrivision

kind-up: needs-docker needs-kind needs-kubectl ## Make a cluster here with kind: node pools, Kubeflow Pipelines, our image and manifests
	mkdir -p $(KIND_DATA) && chmod 0777 $(KIND_DATA)
	kind get clusters | grep -qx agrivision || kind create cluster --config manifests/overlays/kind/cluster.yaml --wait 5m
	for node in $$($(KUBECTL) get nodes -l cloud.google.com/gke-accelerator -o name); do \
	  $(KUBECTL) patch $$node --subresource=status --type=merge -p '{"status": {"capacity": {"nvidia.com/gpu": "2"}}}' || exit; done
	$(KUBECTL) apply -k '$(KFP)/cluster-scoped-resources?ref=$(KFP_VERSION)'
	$(KUBECTL) wait --for condition=established --timeout=60s crd --all
	$(KUBECTL) apply -k '$(KFP)/env/platform-agnostic?ref=$(KFP_VERSION)'
	$(call build,$(IMAGE),cpu)
	kind load docker-image --name agrivision $(IMAGE)
	$(KUBECTL) apply -k manifests/overlays/kind
	$(KUBECTL) -n kubeflow rollout status --timeout=15m deployment/ml-pipeline deployment/ml-pipeline-ui
	@echo "Kubeflow Pipelines is on http://localhost:8080; its endpoint is http://localhost:8888"

kind-run: needs-kubectl $(VENV)/.run ## Run the pipeline in that cluster on demo tiles, wait for its end, show what came of it
	$(KUBECTL) get --raw /readyz >/dev/null || { echo "no cluster answers; make one with: make kind-up" >&2; exit 2; }
	test -d $(KIND_DATA)/$(KIND_TILES) || $(BIN)/agrivision synth --num-tiles $(NUM_TILES) $(KIND_DATA)/$(KIND_TILES)
	$(BIN)/agrivision submit --host http://localhost:8888 --image $(IMAGE) --volume-claim agrivision-data \
	  --source-uri /mnt/agrivision/$(KIND_TILES) --data-root /mnt/agrivision/data --models-uri /mnt/agrivision/models $(settings)
	@cat $(KIND_DATA)/models/production.json

kind-down: needs-docker needs-kind ## Remove that cluster; its data and models stay in .kind
	kind delete cluster --name agrivision

clean: ## Remove the environments, the site, demo data and runs (never data/ or models/)
	rm -rf $(VENV) $(INGEST_VENV) $(SCAN_VENV) $(AUDIT_VENV) $(DOCS_VENV) $(DEMO) runs site

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
	$(INGEST_VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/ingest.txt
	$(INGEST_VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# An environment of its own: checkov pins a hundred packages, some of them older than ours.
$(SCAN_VENV)/.scan: requirements/scan.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(SCAN_VENV)
	$(SCAN_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/scan.txt
	@touch $@

# An environment of its own: whoever audits nothing needs none of it.
$(AUDIT_VENV)/.audit: requirements/audit.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

# An environment of its own: whoever does not build the site needs none of it.
$(DOCS_VENV)/.docs: requirements/docs.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@
