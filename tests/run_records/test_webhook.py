"""What a webhook is told, how often, and what becomes of it where the receiver fails, drips or falls silent."""

import datetime
import hashlib
import hmac
import json
import time

import msgspec
import pytest
from command_here import agrivision_here
from kubeflow_past import add_run, past_run
from test_run_record_file import LATE
from webhook_receiver import ROOT, SECRET, Receiver, delivery_state, tell

from components import storage
from components.contracts import RecordedOutcome
from components.run_records.record_file import keep_record, record_uri, recorded_runs
from pipeline.local.watch import LocalRun, RunFailed
from pipeline.run_records import webhook
from pipeline.run_records.delivery import DeliveryState, read_delivery
from pipeline.run_records.event import SIGNATURE_HEADER, TIMESTAMP_HEADER, event_body
from pipeline.run_records.local_record import record_local_run
from pipeline.run_records.webhook import Webhook

pytestmark = pytest.mark.usefixtures("told_soon")


def test_the_event_is_a_signed_cloud_event_with_the_record():
    with Receiver() as receiver:
        assert tell(receiver.url, LATE) == []

    ((path, headers, body),) = receiver.came
    event = json.loads(body)
    assert path == "/hook?token=hidden"
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert {name: event[name] for name in event if name != "data"} == {
        "specversion": "1.0",
        "id": "run-1/pushed",
        "source": ROOT,
        "type": "io.agrivision.run.ended",
        "subject": "runs/run-1.json",
        "time": LATE.ended,
        "datacontenttype": "application/json",
    }
    assert msgspec.convert(event["data"], type(LATE), strict=False) == LATE
    signed = f"{headers[TIMESTAMP_HEADER]}.".encode() + body
    assert headers[SIGNATURE_HEADER] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert abs(int(headers[TIMESTAMP_HEADER]) - time.time()) < 60


@pytest.mark.parametrize("failures", [[500], [503, 429, 408], [502] * 4])
def test_a_receiver_that_fails_n_times_is_told_once_in_the_end(failures):
    with Receiver(*failures) as receiver:
        assert tell(receiver.url, LATE) == []
        assert tell(receiver.url, LATE) == []  # the next collect

    assert len(receiver.came) == len(failures) + 1
    assert len({body for _, _, body in receiver.came}) == 1
    assert delivery_state() is DeliveryState.DELIVERED


def test_a_receiver_is_left_alone_for_as_long_as_it_says():
    with Receiver((503, {"Retry-After": "1"})) as receiver:
        began = time.monotonic()
        assert tell(receiver.url, LATE) == []

    assert time.monotonic() - began >= 1


def test_one_that_asks_for_more_patience_than_there_is_is_told_by_the_next_collect():
    with Receiver((503, {"Retry-After": "3600"})) as receiver:
        (warning,) = tell(receiver.url, LATE)
        assert "answered 503; the next collect tries again" in warning
        assert delivery_state() is DeliveryState.UNDELIVERED
        assert tell(receiver.url, LATE) == []

    assert len(receiver.came) == 2
    assert delivery_state() is DeliveryState.DELIVERED


@pytest.mark.parametrize("answer", ["silent", "drip"])
def test_a_receiver_that_never_answers_costs_bounded_time(monkeypatch, answer):
    monkeypatch.setattr(webhook, "PATIENCE_SECONDS", 1.5)
    with Receiver(*[answer] * 99) as receiver:
        began = time.monotonic()
        (warning,) = tell(receiver.url, LATE)

    assert time.monotonic() - began < 15
    assert "no answer" in warning
    assert delivery_state() is DeliveryState.UNDELIVERED


def test_one_that_is_gone_is_never_asked_again():
    with Receiver(410) as receiver:
        assert tell(receiver.url, LATE) == []
        assert tell(receiver.url, LATE) == []

    assert len(receiver.came) == 1
    assert delivery_state() is DeliveryState.GONE


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_somebody_must_mend_is_not_repeated_at_once(status):
    with Receiver(status) as receiver:
        (warning,) = tell(receiver.url, LATE)

    assert len(receiver.came) == 1
    assert f"answered {status}" in warning


def test_delivering_changes_no_byte_of_the_record():
    before = storage.read_bytes(record_uri(ROOT, "run-1"))
    with Receiver(503) as receiver:
        tell(receiver.url, LATE)

    assert storage.read_bytes(record_uri(ROOT, "run-1")) == before


def test_another_outcome_is_another_event():
    other = msgspec.structs.replace(LATE, outcome=RecordedOutcome.REFUSED)
    with Receiver() as receiver:
        tell(receiver.url, LATE)
        tell(receiver.url, other)

    assert [json.loads(body)["id"] for _, _, body in receiver.came] == ["run-1/pushed", "run-1/refused"]


def test_the_same_record_gives_the_same_event():
    assert event_body(ROOT, LATE) == event_body(ROOT, LATE)
    assert json.loads(event_body("demo/data", LATE))["source"].startswith("file:///")


def test_collect_delivers_each_event_once_though_the_receiver_is_away_at_first(server, monkeypatch):
    monkeypatch.setenv("AGRIVISION_WEBHOOK_SECRET", SECRET)
    add_run(server, past_run("run-a", "pushed"))
    add_run(server, past_run("run-b", "failed"), 200)
    command = ["collect", f"--host={server.url}", "--webhook-private"]
    with Receiver(404, 204) as receiver:
        monkeypatch.setenv("AGRIVISION_WEBHOOK", receiver.url)
        results = [agrivision_here(*command) for _ in range(3)]

    assert [done.returncode for done in results] == [0, 0, 0]  # it fails nothing
    assert "was not told of the end of run run-a: answered 404; the next collect tries again" in results[0].stderr
    assert [done.stderr for done in results[1:]] == ["", ""]
    assert [json.loads(body)["id"] for _, _, body in receiver.came] == ["run-a/pushed", "run-b/failed", "run-a/pushed"]


def test_the_webhook_is_told_of_a_run_on_this_machine_too(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    run = LocalRun(tmp_path / "runs/today", now, now, error=RunFailed("train failed: the loss is NaN", 42))
    with Receiver(503) as receiver:
        record_local_run(str(tmp_path), run, Webhook(receiver.url, SECRET, is_private=True), pytest.fail)

    (run_id,) = recorded_runs(str(tmp_path))
    assert [json.loads(body)["id"] for _, _, body in receiver.came] == [f"{run_id}/failed"] * 2
    assert read_delivery(str(tmp_path), run_id).state is DeliveryState.DELIVERED


def test_many_events_do_not_wait_for_a_receiver_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(webhook, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("AGRIVISION_WEBHOOK_SECRET", SECRET)
    for number in range(5):
        keep_record(str(tmp_path), msgspec.structs.replace(LATE, run_id=f"run-{number}", ended="2026-11-01T00:00:00Z"))
    command = ("collect", f"--data-root={tmp_path}", "--since-days=3650", "--webhook-private")
    with Receiver(*[503] * 2) as receiver:
        results = [agrivision_here(*command, f"--webhook={receiver.url}") for _ in range(3)]

    assert [done.returncode for done in results] == [0, 0, 0]
    assert "was not told of 4 more runs, as it does not answer; the next collect tries again" in results[0].stderr
    assert len(receiver.came) == 7  # one try each of the first two, and then all
    assert results[2].stderr == ""
