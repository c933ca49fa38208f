"""A record is written once, completed once, and never changed after that, whoever writes at the same time."""

import threading

import msgspec
import pytest

from components import storage
from components.contracts import GateNumbers, RecordedOutcome, RecordedState, RunRecord, StepRecord
from components.errors import DataError
from components.run_records.record_file import keep_record, read_record, record_uri, recorded_runs

GATE = GateNumbers(
    decision="push", outcome="push", candidate_macro_f1=0.75, difference=(0.1, 0.02, 0.2), class_differences={}
)
EARLY = RunRecord(
    run_id="run-1",
    state=RecordedState.SUCCEEDED,
    outcome=RecordedOutcome.PUSHED,
    reason="better",
    gate=GATE,
    macro_f1=0.75,
    manifest_sha256="a" * 64,
    training_id="t1",
    model_version="v1",
    ended="2026-11-24T12:00:50Z",
)
LATE = RunRecord(
    run_id="run-1",
    name="agrivision-training v7 now",
    pipeline_version="v7",
    is_complete=True,
    state=RecordedState.SUCCEEDED,
    outcome=RecordedOutcome.PUSHED,
    reason="better by far",
    gate=msgspec.structs.replace(GATE, difference=None),
    steps={"train": StepRecord(state="succeeded", seconds=30.0, pod_seconds=35.5)},
    links={"run": "http://kubeflow/run-1"},
    started="2026-11-24T11:59:00Z",
    ended="2026-11-24T12:01:00Z",
)


def content(root):
    return storage.read_bytes(record_uri(root, "run-1"))


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue("bucket") and "gs://b/data"


@pytest.fixture
def bucket(bucket):
    bucket.objects["gs://b/other"] = b"", 1  # so that it is not empty
    return bucket


def test_the_same_record_twice_is_the_same_bytes_and_one_write(bucket):
    assert keep_record("gs://b/data", EARLY) == EARLY
    first = content("gs://b/data")

    assert keep_record("gs://b/data", EARLY) == EARLY
    assert content("gs://b/data") == first
    assert bucket.num_writes == 1


def test_what_the_last_step_left_is_completed_and_loses_nothing(tmp_path):
    keep_record(str(tmp_path), EARLY)

    whole = keep_record(str(tmp_path), LATE)

    assert whole == read_record(str(tmp_path), "run-1")
    # The documents of the run say exactly what its log says in part.
    assert (whole.gate, whole.macro_f1, whole.manifest_sha256) == (GATE, 0.75, "a" * 64)
    assert (whole.training_id, whole.model_version) == ("t1", "v1")
    assert (whole.reason, whole.steps, whole.pipeline_version) == ("better by far", LATE.steps, "v7")
    assert (whole.started, whole.ended, whole.is_complete) == (LATE.started, LATE.ended, True)


def test_a_complete_record_is_never_changed(root):
    keep_record(root, LATE)
    first = content(root)

    other = msgspec.structs.replace(LATE, reason="another", state=RecordedState.FAILED)

    assert keep_record(root, other) == LATE
    assert keep_record(root, EARLY) == LATE
    assert content(root) == first


def test_an_outcome_that_is_unknown_later_stays_what_the_last_step_knew(tmp_path):
    keep_record(str(tmp_path), EARLY)

    whole = keep_record(str(tmp_path), msgspec.structs.replace(LATE, outcome=RecordedOutcome.UNKNOWN))

    assert whole.outcome is RecordedOutcome.PUSHED


def test_of_many_writers_at_once_none_loses_what_another_knew(tmp_path):
    writers = [
        threading.Thread(target=keep_record, args=(str(tmp_path), each)) for _ in range(8) for each in (EARLY, LATE)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    record = read_record(str(tmp_path), "run-1")
    assert record.is_complete
    assert record.steps == LATE.steps
    assert [*recorded_runs(str(tmp_path))] == ["run-1"]


@pytest.mark.parametrize("run_id", ["../up", "a/../../b", "a\nb", "", "."])
def test_an_id_that_is_no_name_of_a_file_is_refused(tmp_path, run_id):
    with pytest.raises(DataError, match=r"is not a path below|is not a run record that this version can read"):
        keep_record(str(tmp_path / "data"), msgspec.structs.replace(EARLY, run_id=run_id))
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "change", [{"macro_f1": 1.5}, {"ended": "yesterday"}, {"manifest_sha256": "../x"}, {"training_id": "../x"}], ids=str
)
def test_what_no_record_can_hold_is_refused_before_it_is_written(tmp_path, change):
    with pytest.raises(DataError, match=r"run-1.json is not a run record that this version can read"):
        keep_record(str(tmp_path), msgspec.structs.replace(EARLY, **change))
    assert read_record(str(tmp_path), "run-1") is None


def test_what_is_no_number_is_nothing(tmp_path):
    assert keep_record(str(tmp_path), msgspec.structs.replace(EARLY, macro_f1=float("nan"))).macro_f1 is None


def test_long_and_odd_texts_are_cut_and_escaped(tmp_path):
    record = keep_record(str(tmp_path), msgspec.structs.replace(EARLY, reason="x" * 9_000, name="\ud800"))

    assert len(record.reason) == 2_000
    assert record.name == "\\ud800"


def test_a_damaged_record_is_refused_with_the_way_out(root):
    keep_record(root, EARLY)
    storage.write_bytes(record_uri(root, "run-1"), content(root).replace(b"better", b"bitter"))

    for read in (lambda: read_record(root, "run-1"), lambda: keep_record(root, LATE)):
        with pytest.raises(DataError, match=r"is not the run record that was written: .*run agrivision collect"):
            read()


def test_a_huge_record_is_not_read(bucket):
    bucket.objects[record_uri("gs://b/data", "run-1")] = b"x" * 1_000_001, 1

    with pytest.raises(DataError, match=r"has 1,000,001 bytes, and no record has more than 1,000,000"):
        read_record("gs://b/data", "run-1")


def test_where_no_run_has_left_a_record_there_is_none(root):
    assert read_record(root, "run-1") is None
    assert [*recorded_runs(root)] == []
