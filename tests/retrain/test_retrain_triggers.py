import hashlib

import msgspec
import pytest
from written_triggers import AT, attempt, ended, trigger

from components import storage
from components.contracts import AttemptState, RunOutcome, Trigger
from components.errors import DataError
from pipeline.retrain.triggers import (
    attempt_of,
    end_trigger,
    key_of,
    read_trigger,
    run_name,
    trigger_uri,
    write_trigger,
)

KEY = "c" * 64


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"agrivision-training retrain-{KEY}-1", (KEY, 1)),
        (f"agrivision-training sha-0123 retrain-{KEY}-12", (KEY, 12)),
        ("agrivision-training sha-0123 2026-11-29 12:00:00", None),
        (f"retrain-{KEY}-0", None),
        (f"retrain-{KEY}-1 copy", None),  # what Kubeflow calls the clone of a run
        (f"retrain-{KEY[1:]}-1", None),
        (f"../retrain-{KEY}-1/..", None),
    ],
)
def test_a_runs_name_leads_to_its_trigger(name, found):
    assert attempt_of(name) == found


def test_names_and_what_is_read_from_them_agree():
    assert attempt_of(run_name("agrivision-training", KEY, 3)) == (KEY, 3)


def test_another_fingerprint_pipeline_or_parameter_is_another_change():
    keys = {
        key_of("a" * 64, "b" * 64, {"source_uri": "gs://b/one", "train_epochs": 2}),
        key_of("c" * 64, "b" * 64, {"source_uri": "gs://b/one", "train_epochs": 2}),
        key_of("a" * 64, "c" * 64, {"source_uri": "gs://b/one", "train_epochs": 2}),
        key_of("a" * 64, "b" * 64, {"source_uri": "gs://b/one", "train_epochs": 3}),
        # A copy of a source, with all its times, beside it.
        key_of("a" * 64, "b" * 64, {"source_uri": "gs://b/two", "train_epochs": 2}),
    }

    assert len(keys) == 5
    assert key_of("a" * 64, "b" * 64, {"train_epochs": 2, "source_uri": "gs://b/one"}) in keys  # in whatever order


def kept(root, *attempts):
    write_trigger(str(root), trigger(*attempts), None)


def test_the_end_of_a_run_is_written_down_once(tmp_path):
    kept(tmp_path, attempt(state=AttemptState.STARTED))

    assert end_trigger(str(tmp_path), KEY, "run-1", "pushed", AT)
    before = storage.read_bytes(trigger_uri(str(tmp_path), KEY))
    assert not end_trigger(str(tmp_path), KEY, "run-1", "failed", "2026-11-30T00:00:00Z")

    assert storage.read_bytes(trigger_uri(str(tmp_path), KEY)) == before
    found, _ = read_trigger(str(tmp_path), KEY)
    assert (found.last.state, found.last.outcome, found.last.ended_at) == (AttemptState.ENDED, RunOutcome.PUSHED, AT)


@pytest.mark.parametrize(
    "attempts",
    [
        [attempt()],  # nobody has written down a run yet; whoever takes over the claim finds it
        [msgspec.structs.replace(attempt(state=AttemptState.STARTED), run_id="another")],
        ended("refused"),
        [*ended("failed"), attempt(2)],
    ],
)
def test_the_end_of_another_run_changes_nothing(attempts, tmp_path):
    kept(tmp_path, *attempts)
    before = storage.read_bytes(trigger_uri(str(tmp_path), KEY))

    assert not end_trigger(str(tmp_path), KEY, "run-1", "failed", AT)

    assert storage.read_bytes(trigger_uri(str(tmp_path), KEY)) == before


def test_the_end_of_a_run_without_a_trigger_writes_nothing(tmp_path):
    assert not end_trigger(str(tmp_path), KEY, "run-1", "failed", AT)
    assert list(tmp_path.rglob("*.json")) == []


def test_an_outcome_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match="perhaps"):
        end_trigger(str(tmp_path), KEY, "run-1", "perhaps", AT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b'"number": 1': b'"number": 2'}, "numbered from 1"),
        ({b'"state": "started"': b'"state": "claimed"'}, "has a run"),
        ({b'"state": "started"': b'"state": "ended"'}, "has an outcome"),
        ({b'"run_id": "run-1"': b'"run_id": "../../x"'}, "run_id"),
        ({b'"run_id": "run-1"': b'"run_id": ""'}, "has a run"),
    ],
)
def test_a_trigger_that_contradicts_itself_is_refused(change, message):
    text = trigger(attempt(state=AttemptState.STARTED)).to_json()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    content = text[: text.rindex(b',\n "checksum"')]
    text = content + b',\n "checksum": "' + hashlib.sha256(content).hexdigest().encode() + b'"\n}\n'

    with pytest.raises(DataError, match=message):
        Trigger.from_json(text, "it")


def test_a_trigger_of_another_key_is_refused(tmp_path):
    storage.write_bytes(trigger_uri(str(tmp_path), "d" * 64), trigger(attempt()).to_json())

    with pytest.raises(DataError, match="is the trigger of the key c"):
        read_trigger(str(tmp_path), "d" * 64)
