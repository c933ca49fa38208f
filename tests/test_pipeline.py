"""The compiled pipeline, as it is committed and as people meet it in the run form."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.parameters import Parameters

ROOT = Path(__file__).parents[1]
YAML = ROOT / "pipeline/training_pipeline.yaml"


def compiled(path, **environment):
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "compile", "--out", str(path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment})
    return path.read_text()


@pytest.fixture(scope="module")
def spec():
    return next(yaml.safe_load_all(YAML.read_text()))


def test_the_committed_yaml_is_current(tmp_path):
    """`make compile` has been run since the pipeline last changed."""
    assert compiled(tmp_path / "pipeline.yaml") == YAML.read_text()


def test_another_image_changes_only_the_image_lines(tmp_path):
    other = compiled(tmp_path / "pipeline.yaml", AGRIVISION_IMAGE="example/python@sha256:0123")

    changed = [
        (old.strip(), new.strip())
        for old, new in zip(YAML.read_text().splitlines(), other.splitlines(), strict=True)
        if old != new
    ]
    assert len(changed) == 7  # one per step
    assert set(changed) == {("image: localhost/agrivision-python:dev", "image: example/python@sha256:0123")}


def test_what_reads_the_source_may_have_an_image_of_its_own(tmp_path):
    text = compiled(tmp_path / "pipeline.yaml", AGRIVISION_INGEST_IMAGE="example/python:ingest")

    executors = next(yaml.safe_load_all(text))["deploymentSpec"]["executors"]
    apart = {name for name, each in executors.items() if each["container"]["image"] == "example/python:ingest"}
    assert apart == {"exec-ingest", "exec-shard", "exec-merge"}


def test_compiling_needs_neither_tensorflow_nor_numpy(tmp_path):
    probe = (
        "import sys\n"
        "for name in ('tensorflow', 'numpy', 'keras', 'sklearn', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\nfrom pipeline.compile import compile_to\n"
        f"compile_to(Path({str(tmp_path / 'pipeline.yaml')!r}))"
    )

    subprocess.run([sys.executable, "-c", probe], check=True, cwd=ROOT)


def test_the_run_form_shows_every_parameter_with_its_default(spec):
    inputs = spec["root"]["inputDefinitions"]["parameters"]

    for field in dataclasses.fields(Parameters):
        shown = inputs.pop(field.name)
        assert shown["defaultValue"] == field.default
        assert shown["isOptional"]
    assert not inputs


def test_parameters_begin_with_their_stage_or_name_a_place():
    stages = ("ingest", "shard", "train", "evaluate", "gate", "push")

    for field in dataclasses.fields(Parameters):
        place = field.name in ("source_uri", "source_version", "data_root", "models_uri")
        assert place or field.name.split("_")[0] in stages, field.name


def test_what_depends_on_more_than_its_inputs_is_never_cached(spec):
    tasks = dict(spec["root"]["dag"]["tasks"])
    for component in spec["components"].values():
        tasks.update(component.get("dag", {}).get("tasks", {}))

    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}

    assert cached >= {"ingest", "shard", "merge"}
    assert not cached & {"train", "evaluate", "gate", "push"}
