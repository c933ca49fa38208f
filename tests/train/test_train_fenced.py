"""A launch that was stopped, and lost its training to another, writes nothing over what the other one wrote."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import stalled_launch
from gcs_faults import plant
from made_bucket import make_bucket
from train_fixtures import shared_folder, wait_for, write_data

from components import storage
from components.contracts import TrainingReceipt
from components.progress import StepLog
from components.train import receipt as receipts
from components.train.launch import bucket_lease
from components.train.launch.lease import Lease, LostLease
from components.train.launch.one_at_a_time import hold
from components.train.settings.worker_spec import EXIT_TRY_AGAIN

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.hostile
NEEDS_BUCKET = [
    pytest.mark.gcs,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "data", write_data)


def new_bucket() -> str:

    bucket = f"fence-{uuid.uuid4().hex}"
    make_bucket(bucket)
    return f"gs://{bucket}"


@pytest.fixture(params=["folder", pytest.param("bucket", marks=NEEDS_BUCKET)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The kind of place where a lease is, and a data_root there."""
    return request.param, new_bucket() if request.param == "bucket" else str(tmp_path / "data")


class Launch:
    """A launch in a process of its own; see stalled_launch.py."""

    def __init__(self, number: int, place: tuple[str, str], data: Path, tmp_path: Path) -> None:
        self.go = tmp_path / f"go-{number}"
        self.output = tmp_path / f"output-{number}"
        kind, data_root = place
        arguments = [data_root, data / "manifest.json", number, self.go, kind]
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, stalled_launch.__file__, *map(str, arguments)],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def says(self, text: str) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return text in self.output.read_text()

    def end(self) -> int:
        self.go.touch()
        return self.process.wait(timeout=60.0)


@pytest.fixture
def launches(place: tuple[str, str], data: Path, tmp_path: Path) -> Iterator[tuple[Launch, Launch]]:
    """Two launches: the first has taken the training, and been stopped; the second has then taken it over."""
    first = Launch(1, place, data, tmp_path)
    second = None
    try:
        wait_for(lambda: first.says("training\n"))
        first.process.send_signal(signal.SIGSTOP)
        second = Launch(2, place, data, tmp_path)
        wait_for(lambda: second.says("training\n"))
        assert second.says("is already running this training; waiting for it to end")
        yield first, second
    finally:
        for launch in (first, second):
            if launch is not None:
                launch.process.kill()
                launch.process.wait()


def receipt_in(place: tuple[str, str]) -> TrainingReceipt | None:
    found = [file.path for file in storage.list_files(place[1]) if file.path.endswith("receipt.json")]
    return TrainingReceipt.from_json(storage.read_bytes(storage.join(place[1], found[0])), "receipt") if found else None


def test_a_launch_that_wakes_up_after_the_other_is_done_changes_nothing(
    place: tuple[str, str], launches: tuple[Launch, Launch]
) -> None:
    first, second = launches
    assert second.end() == 0
    written = receipt_in(place)
    assert written is not None
    assert written.num_restarts == 2
    first.process.send_signal(signal.SIGCONT)
    assert first.end() == EXIT_TRY_AGAIN
    assert "error: lost " in first.output.read_text()
    assert receipt_in(place) == written


def test_a_launch_that_wakes_up_while_the_other_trains_writes_no_receipt(
    place: tuple[str, str], launches: tuple[Launch, Launch]
) -> None:
    first, second = launches
    first.process.send_signal(signal.SIGCONT)
    assert first.end() == EXIT_TRY_AGAIN
    assert receipt_in(place) is None
    assert second.end() == 0
    assert receipt_in(place).num_restarts == 2


class Confirmed:
    """A lease that is confirmed, just before its holder is stopped for very long."""

    def check(self) -> float:
        return 1.0

    def confirm(self) -> None:
        pass


@pytest.mark.parametrize("complete", [True, False])
def test_of_two_receipts_the_first_is_kept(
    place: tuple[str, str], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], complete: bool
) -> None:
    launch = Launch(7, place, data, tmp_path)
    assert launch.end() == 0, launch.output.read_text()
    theirs = receipt_in(place)
    folder = storage.join(place[1], "training", theirs.training_id)
    if not complete:
        folder = storage.join(place[1], "elsewhere")
        storage.write_bytes(storage.join(folder, "receipt.json"), theirs.to_json())
    mine = msgspec.structs.replace(theirs, num_restarts=1)

    def write() -> TrainingReceipt:
        return receipts.write_training_receipt(mine, folder, None, Confirmed(), StepLog("train"))

    if complete:
        assert write() == theirs
        assert "is already complete" in capsys.readouterr().out
    else:
        with pytest.raises(LostLease, match="was written by another launch, which is not done; run again"):
            write()


@pytest.mark.gcs
@pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST")
@pytest.mark.parametrize(
    "fault",
    [
        {"times": 99, "seconds": 30.0},  # hangs
        {"times": 99, "status": 503},
    ],
)
def test_on_a_bucket_that_does_not_answer_a_holder_gives_up_in_time_and_a_training_that_is_done_stays_done(
    fault: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = new_bucket()
    monkeypatch.setattr(bucket_lease, "_RELEASE_SECONDS", 2.0)
    said: list[str] = []
    try:
        with hold(f"{root}/training/x", said.append, 4.0) as held:
            held.confirm()
            plant({"match": root.removeprefix("gs://"), **fault})
            taken = time.monotonic()
            with pytest.raises(LostLease, match="was not renewed for 4 s"):
                check_until_lost(held)
            assert time.monotonic() - taken < 4.0
    finally:
        plant()
    assert len(said) == 1
    assert said[0].startswith(f"{root}/training/x/lease.json could not be given back: ")
    assert said[0].endswith("the next launch of this training waits 4 s for it")


def check_until_lost(held: Lease) -> None:
    while held.check():
        time.sleep(0.01)
