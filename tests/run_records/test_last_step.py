"""What the last step of a run leaves, in a pod and outside of one."""

import pytest
from kubeflow_past import KEY

from components.contracts import Decision, Evaluation, RecordedOutcome, Scores
from components.run_records.last_step import leave_record, run_of_pod
from components.run_records.record_file import read_record, recorded_runs

NAME = f"agrivision-training v7 retrain-{KEY}-1"


@pytest.fixture
def pod(monkeypatch):
    monkeypatch.setenv("KFP_POD_NAME", "agrivision-training-x7-system-container-impl-5")


@pytest.fixture
def leave(tmp_path):
    def left(run_id="run-1", name=NAME, version="v1", root=tmp_path):
        said = []
        evaluation = Evaluation(
            training_id="t1",
            manifest_sha256="f" * 64,
            num_test_tiles=4,
            thresholds=(0.5,),
            candidate=Scores(macro_f1=0.75, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={}),
            predictions_path="evaluations/b2/predictions.npz",
        )
        decision = Decision(
            decision="push", outcome="push", reason="better", floor=0.5, candidate_macro_f1=0.75, difference=(0, -1, 1)
        )
        leave_record(str(root), run_id, name, evaluation, decision, version, said.append)
        return read_record(str(tmp_path), "run-1"), said

    return left


@pytest.mark.usefixtures("pod")
@pytest.mark.parametrize(("version", "outcome"), [("v1", RecordedOutcome.PUSHED), (None, RecordedOutcome.REFUSED)])
def test_it_says_what_the_documents_say_and_leaves_the_rest_to_collect(leave, version, outcome):
    record, said = leave(version=version)

    assert said == []
    assert (record.outcome, record.model_version, record.reason) == (outcome, version, "better")
    assert (record.training_id, record.manifest_sha256, record.macro_f1) == ("t1", "f" * 64, 0.75)
    assert (record.gate.difference, record.gate.decision) == ((0, -1, 1), "push")
    assert (record.pipeline_version, record.trigger_key) == ("v7", KEY)
    assert not record.is_complete
    assert record.steps == {}


@pytest.mark.usefixtures("pod")
@pytest.mark.parametrize("run_id", ["{{$.pipeline_job_uuid}}", "../../up"])
def test_an_id_that_is_none_leaves_nothing_and_fails_nothing(leave, tmp_path, run_id):
    leave(run_id=run_id)

    assert [*recorded_runs(str(tmp_path))] == []
    assert not [*tmp_path.parent.glob("*.json")]


def test_on_this_machine_whoever_started_the_run_records_it(leave, tmp_path, monkeypatch):
    monkeypatch.delenv("KFP_POD_NAME", raising=False)

    assert leave() == (None, [])


@pytest.mark.usefixtures("pod")
def test_a_place_that_cannot_be_written_to_is_one_line_of_the_log(leave, tmp_path):
    (tmp_path / "data").write_text("a file where the folder must be")

    _, (line,) = leave(root=tmp_path / "data")

    assert line.startswith("the run's record was not written, and is left to agrivision collect: ")


@pytest.mark.parametrize(
    ("pod", "given", "run"),
    [("pod-1", "run-1", "run-1"), ("pod-1", "{{$.pipeline_job_uuid}}", ""), ("", "89145727", "")],
)
def test_a_run_has_an_id_where_there_is_a_pod_and_kubeflow_has_filled_it_in(monkeypatch, pod, given, run):
    monkeypatch.setenv("KFP_POD_NAME", pod)

    assert run_of_pod(given) == run
