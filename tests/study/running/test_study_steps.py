"""The steps of the study's pipeline hand on what was found, all on one machine."""

import msgspec
import pytest
from study_findings import MACHINE

from components.contracts.study import StudyParts
from components.errors import DataError
from components.progress import StepLog
from components.study.running.steps import begin_step, join_step, run_step


@pytest.fixture
def found(tmp_path):
    """A study of which an experiment that needs no time has been run."""
    begin_step("ci", str(tmp_path / "begun"))
    run_step("devices", str(tmp_path / "data"), str(tmp_path / "begun"), str(tmp_path / "found"), StepLog("study"))
    return StudyParts.read(tmp_path / "found")


def test_each_step_adds_what_it_found(tmp_path, found):
    join_step(str(tmp_path / "found"), str(tmp_path / "result"), str(tmp_path / "page"), str(tmp_path / "in_short"))

    assert [part.experiment for part in found.parts] == ["devices"]
    assert "| `gpu_worth_it` | not run here |" in (tmp_path / "in_short").read_text()


def test_a_step_on_another_machine_is_refused_before_it_measures(tmp_path, found):
    elsewhere = msgspec.structs.replace(found.parts[0], machine=MACHINE)
    StudyParts(preset="ci", parts=(elsewhere,)).write(tmp_path / "elsewhere")

    with pytest.raises(DataError, match=r"on another machine than the experiment 'devices': .*give all steps one node"):
        run_step("formats_gpu", "data", str(tmp_path / "elsewhere"), str(tmp_path / "after"), StepLog("study"))
    assert not (tmp_path / "after").exists()
