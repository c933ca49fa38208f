"""The study pipeline: its compiled form, and a whole run of it on this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.study.claims.claims_file import read_claims
from components.study.results.study_result import read_study_result
from components.study.running.registry import known_experiments
from pipeline.compile import COMMITTED, is_current
from pipeline.parameters import VOLUME_CLAIM
from pipeline.study_pipeline import STUDY_NAME, study_fields

ROOT = Path(__file__).parents[2]


def spec_of(volume=False):
    return next(yaml.safe_load_all(COMMITTED[STUDY_NAME, volume].read_text()))


@pytest.mark.parametrize("volume", [False, True])
def test_the_committed_yaml_is_current(volume):
    assert is_current(COMMITTED[STUDY_NAME, volume], volume, STUDY_NAME)


@pytest.mark.parametrize("volume", [False, True])
def test_the_run_form_shows_every_field_with_its_default_and_its_meaning(volume):
    inputs = spec_of(volume)["root"]["inputDefinitions"]["parameters"]
    shown = study_fields(volume)

    assert {name: each["defaultValue"] for name, each in inputs.items()} == {
        name: each.default for name, each in shown.items()
    }
    assert {name: " ".join(each["description"].split()) for name, each in inputs.items()} == {
        name: each.help for name, each in shown.items()
    }
    assert inputs.get("volume_claim", {}).get("defaultValue", VOLUME_CLAIM) == VOLUME_CLAIM


def test_each_experiment_has_a_step_and_waits_for_the_one_before():
    tasks = spec_of()["root"]["dag"]["tasks"]
    named = [name for name in tasks if name.startswith("experiment")]
    steps = {name: tasks[name] for name in sorted(named, key=lambda name: int(name.partition("-")[2] or 1))}
    names = [each.name for each in known_experiments()]

    assert [task["inputs"]["parameters"]["name"]["runtimeValue"]["constant"] for task in steps.values()] == names
    last = "begin-study"
    for name in steps:
        assert steps[name]["dependentTasks"] == [last]
        last = name
    assert tasks["join-study"]["dependentTasks"] == [last]


def test_no_step_is_cached_or_root():
    text = COMMITTED[STUDY_NAME, False].read_text()
    _, platform = yaml.safe_load_all(text)
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]

    assert "enableCache: true" not in text
    assert {each["securityContext"]["runAsNonRoot"] for each in executors.values()} == {True}


@pytest.mark.long
def test_a_study_runs_on_this_machine_and_says_what_was_not_run(tmp_path):
    """Of the experiments, one that measures, and one that needs a GPU; all of them take minutes."""
    program = tmp_path / "run.py"
    program.write_text(
        "import sys\n"
        "from kfp import local\n"
        "from pipeline.study_pipeline import study_pipeline\n"
        "if __name__ == '__main__':\n"
        "    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1])\n"
        "    study_pipeline(names=['devices', 'hybrid'])(data_root=sys.argv[2], preset='ci')\n"
    )
    subprocess.run([sys.executable, program, tmp_path / "outputs", tmp_path / "data"], check=True, cwd=ROOT)

    (path,) = (tmp_path / "outputs").rglob("study_result")
    result = read_study_result(path, read_claims())
    of_hybrid = {claim.id for claim in read_claims().claims if claim.experiment == "hybrid"}
    assert {each.claim for each in result.verdicts if each.verdict != "not run here"} == of_hybrid
    assert "what matters" in next((tmp_path / "outputs").rglob("study_page")).read_text()
    in_short = next((tmp_path / "outputs").rglob("study_in_short")).read_text()
    assert "| `more_workers_faster` | not run here | " in in_short
    kept = [json.loads(path.read_text())["experiment"] for path in (tmp_path / "data" / "study").iterdir()]
    assert sorted(kept) == ["devices", "hybrid"]
