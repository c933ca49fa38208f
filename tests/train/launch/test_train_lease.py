"""One launch of a training at a time: leases as on a bucket."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components import storage
from components.errors import DataError, UnreachableError
from components.train.launch import bucket_lease
from components.train.launch.lease import Lease, LostLease, Nowhere, Whereabouts


def leased(
    uri: Path, who: str, said: list[str], seconds: float = 0.8, whereabouts: Whereabouts | None = None
) -> contextlib.AbstractContextManager[Lease]:
    """A lease as on a bucket; compare-and-swap works alike in a folder."""

    def say_who(holder: str) -> None:
        said.append(f"waiting for {holder}")

    return bucket_lease.leased(str(uri), who, said.append, say_who, seconds, whereabouts or Nowhere())


def test_a_lease_is_kept_for_as_long_as_it_is_held_and_given_back_at_the_end(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with leased(tmp_path / "lease.json", "second", said):
            order.append("second")

    with leased(tmp_path / "lease.json", "first", []) as held:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(2.0)  # more than twice the lease
        assert 0 < held.check() < 0.8
        order.append("first")
    started = time.monotonic()
    thread.join()
    assert order == ["first", "second"]
    assert time.monotonic() - started < 0.7, "not after the lease has run out, but at once"
    assert said == ["waiting for first"]


def test_a_lease_that_nobody_renews_is_taken_over_and_its_holder_learns_of_it(tmp_path: Path) -> None:
    uri = tmp_path / "lease.json"
    uri.write_text(json.dumps({"holder": "a process that is gone", "seconds": 0.5, "written": "x"}))
    started = time.monotonic()
    with leased(uri, "second", []) as held:
        assert 0.5 <= time.monotonic() - started < 3.0
        held.check()
        uri.write_text(json.dumps({"holder": "third", "seconds": 60.0, "written": "y"}))
        time.sleep(0.6)
        with pytest.raises(LostLease, match="another launch has taken it over; run again"):
            held.check()
    assert json.loads(uri.read_text())["holder"] == "third", "who has lost it does not give it back"


class Known:
    """A launch that learns of the places of `ended` that the launches there have ended; of others it learns nothing."""

    def __init__(self, place: str, *ended: str) -> None:
        self._place, self.ended, self.asked = place, {*ended}, 0

    def place(self) -> str:
        return self._place

    def has_ended(self, place: str) -> bool:
        self.asked += 1
        return place in self.ended


def test_a_lease_whose_holder_is_known_to_have_ended_is_taken_over_at_once(tmp_path: Path) -> None:
    uri = tmp_path / "lease.json"
    uri.write_text(json.dumps({"holder": "first", "seconds": 60.0, "place": "pod 1", "written": "x"}))
    said: list[str] = []
    began = time.monotonic()
    with leased(uri, "second", said, 60.0, Known("pod 2", "pod 1")):
        assert time.monotonic() - began < 5.0
        assert json.loads(uri.read_text())["place"] == "pod 2", "for whoever waits for this one"
    assert said == ["waiting for first", f"first has ended without giving {uri} back"]
    assert json.loads(uri.read_text()) | {"written": ""} == {"holder": "", "seconds": 0.0, "place": "", "written": ""}


@pytest.mark.parametrize("place", ["pod 3", ""])
def test_a_lease_whose_holder_is_not_known_to_have_ended_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(bucket_lease, "_ASK_SECONDS", 0.1)
    uri = tmp_path / "lease.json"
    uri.write_text(json.dumps({"holder": "first", "seconds": 1.5, "place": place, "written": "x"}))
    known = Known("pod 2", "pod 1", "")
    began = time.monotonic()
    with leased(uri, "second", [], 0.8, known):
        assert time.monotonic() - began >= 1.5
    assert (known.asked > 0) == (place != "")


@pytest.mark.hostile
def test_a_holder_that_was_taken_for_ended_learns_that_it_has_lost_the_lease(tmp_path: Path) -> None:
    uri = tmp_path / "lease.json"
    first, second = Known("pod 1"), Known("pod 2", "pod 1")
    with leased(uri, "first", [], 4.0, first) as held, leased(uri, "second", [], 4.0, second):
        with pytest.raises(LostLease, match="another launch has taken it over"):
            held.confirm()
        with pytest.raises(LostLease, match="another launch has taken it over"):
            check_until_lost(held)


class Bucket:
    """A bucket that hangs: reads or writes of the lease wait until they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_read, self.may_write = threading.Event(), threading.Event()
        self.work()
        read, write = storage.read_pointer, storage.compare_and_swap
        monkeypatch.setattr(storage, "read_pointer", lambda *a: self.may_read.wait() and read(*a))
        monkeypatch.setattr(storage, "compare_and_swap", lambda *a: self.may_write.wait() and write(*a))

    def work(self) -> None:
        self.may_read.set()
        self.may_write.set()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch):
    made = Bucket(monkeypatch)
    yield made
    made.work()


def check_until_lost(held: Lease) -> None:
    while held.check():
        time.sleep(0.01)


@pytest.mark.hostile
@pytest.mark.parametrize("hang", ["may_read", "may_write"])
def test_a_holder_whose_renewals_hang_gives_up_before_anybody_may_take_over(
    tmp_path: Path, bucket: Bucket, hang: str
) -> None:
    """Where both look at the same file, the first gives up before the second begins, though no renewal ever fails."""
    uri = tmp_path / "lease.json"
    began: list[float] = []

    def second() -> None:
        with leased(uri, "second", [], 2.0):
            began.append(time.monotonic())

    with leased(uri, "first", [], 2.0) as held:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(1.0)
        event = getattr(bucket, hang)
        event.clear()
        with pytest.raises(LostLease, match="was not renewed for 2 s"):
            check_until_lost(held)
        gave_up = time.monotonic()
        event.set()  # for the second, too
        with pytest.raises(LostLease, match="run again"):
            held.check()  # whatever a late renewal says
    thread.join()
    assert began[0] >= gave_up


@pytest.mark.hostile
def test_one_renewal_that_hangs_does_not_cost_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with leased(tmp_path / "lease.json", "first", []) as held:
        swap = storage.compare_and_swap
        stuck = threading.Event()
        calls: list[None] = []

        def first_hangs(*arguments: object) -> None:
            calls.append(None)
            if len(calls) == 1:
                stuck.wait()
            swap(*arguments)

        monkeypatch.setattr(storage, "compare_and_swap", first_hangs)
        time.sleep(1.5)
        held.check()
        stuck.set()  # and its late write changes nothing
        time.sleep(0.5)
        held.check()
        held.confirm()


@pytest.mark.hostile
def test_time_that_the_machine_slept_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with leased(tmp_path / "lease.json", "first", []) as held:
        now = bucket_lease._now
        monkeypatch.setattr(bucket_lease, "_now", lambda: now() + 10.0)
        with pytest.raises(LostLease, match="was not renewed"):
            held.check()


@pytest.mark.hostile
def test_before_the_last_word_a_holder_makes_sure(tmp_path: Path) -> None:
    """Its own clock may have stood still, as that of a machine that is copied while it runs."""
    uri = tmp_path / "lease.json"
    with leased(uri, "first", [], 60.0) as held:
        held.confirm()
        uri.write_text(json.dumps({"holder": "second", "seconds": 60.0, "written": "y"}))
        held.check()
        with pytest.raises(LostLease, match="another launch has taken it over"):
            held.confirm()


@pytest.mark.hostile
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"garbage",
        b"\xff\xfe\x00",
        b"[]",
        b'{"seconds": 60}',
        b'{"holder": 5, "seconds": 60, "written": ""}',
        b'{"holder": "x", "seconds": "soon", "written": ""}',
        b'{"holder": "x", "seconds": 1e300, "written": ""}',  # nobody would ever train here again
        b'{"holder": "x", "seconds": -1, "written": ""}',
        b'{"holder": "x", "seconds": NaN, "written": ""}',
        b"{" * 100_000,
        json.dumps({"holder": "x" * 100_000, "seconds": 1, "written": ""}).encode(),
    ],
)
def test_a_malformed_lease_is_one_line_that_names_it_and_the_way_out(tmp_path: Path, text: bytes) -> None:
    uri = tmp_path / "lease.json"
    uri.write_bytes(text)
    with (
        pytest.raises(
            DataError, match=rf"^{uri} is no lease that this version can read: .*; if .*, remove it"
        ) as error,
        leased(uri, "first", []),
    ):
        pytest.fail("held")
    assert len(str(error.value)) < 500
    assert uri.read_bytes() == text


@pytest.mark.hostile
def test_a_lease_that_is_overwritten_with_garbage_is_lost(tmp_path: Path) -> None:
    uri = tmp_path / "lease.json"
    said: list[str] = []
    with leased(uri, "first", said) as held:
        uri.write_bytes(b"garbage")
        with pytest.raises(LostLease, match="no lease that this version can read"):
            held.confirm()
    assert len(said) == 1
    assert said[0].startswith(f"{uri} could not be given back: {uri} is no lease")


def fails(*_: object) -> None:
    raise UnreachableError("'gs://b/lease.json' cannot be reached")


def breaks(*_: object) -> None:
    raise ValueError("a defect")


def hangs(*_: object) -> None:
    time.sleep(600)


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("fault", "reason"), [(fails, "cannot be reached"), (breaks, "a defect"), (hangs, "no answer within 1 s")]
)
def test_a_lease_that_cannot_be_given_back_undoes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None], reason: str
) -> None:
    monkeypatch.setattr(bucket_lease, "_RELEASE_SECONDS", 1.0)
    said: list[str] = []
    began = time.monotonic()
    with leased(tmp_path / "lease.json", "first", said, 60.0):
        monkeypatch.setattr(storage, "compare_and_swap", fault)
    assert time.monotonic() - began < 5.0
    assert len(said) == 1
    assert reason in said[0]
    assert said[0].endswith("; the next launch of this training waits 60 s for it")


@pytest.mark.hostile
def test_the_error_of_a_training_is_not_hidden_by_that_of_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train() -> None:
        with leased(tmp_path / "lease.json", "first", []):
            monkeypatch.setattr(storage, "compare_and_swap", fails)
            raise DataError("the loss is nan")

    with pytest.raises(DataError, match="the loss is nan"):
        train()
