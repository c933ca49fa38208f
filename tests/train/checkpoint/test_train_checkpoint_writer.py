import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from components.errors import DataError
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoint_writer import CheckpointWriter
from components.train.checkpoint.checkpoints import TrainingState

ROOT = Path(__file__).parents[3]


class Variable:
    """A weight that training changes in place."""

    def __init__(self, value: float, size: int = 10) -> None:
        self.array = np.full(size, value, np.float32)

    def numpy(self) -> np.ndarray:
        return self.array.copy()


def writer(root: Path, weight: Variable, every_seconds: float = 0.0, writes: bool = True) -> CheckpointWriter:
    return CheckpointWriter(str(root), {"model/00000/kernel": weight}, 2, every_seconds, writes)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Holds writing up until the event is set."""
    released, write = threading.Event(), checkpoints.write_checkpoint

    def write_slowly(*args: object) -> None:
        released.wait(10.0)
        write(*args)

    monkeypatch.setattr(checkpoints, "write_checkpoint", write_slowly)
    return released


def test_training_goes_on_while_a_checkpoint_is_written_which_holds_what_was_then(
    tmp_path: Path, slow_disk: threading.Event
) -> None:
    weight = Variable(1.0, size=1_000_000)
    mine = writer(tmp_path, weight)
    mine.save(TrainingState(step=1))
    assert mine.stalls[0] < 1.0
    weight.array[:] = 2.0
    assert checkpoints.names_under(str(tmp_path)) == []
    slow_disk.set()
    mine.wait()
    _, arrays = checkpoints.read_checkpoint(str(tmp_path), TrainingState(step=1).checkpoint)
    assert set(arrays["model/00000/kernel"]) == {1.0}


def test_one_is_written_at_a_time_and_the_next_waits_for_it(tmp_path: Path, slow_disk: threading.Event) -> None:
    mine = writer(tmp_path, Variable(1.0), every_seconds=0.01)
    time.sleep(0.02)
    assert mine.is_due()
    mine.save(TrainingState(step=1))
    time.sleep(0.02)
    assert not mine.is_due(), "one is on its way"
    threading.Timer(0.3, slow_disk.set).start()
    mine.save(TrainingState(step=2))
    assert mine.stalls[1] > 0.2
    mine.wait()
    assert len(checkpoints.names_under(str(tmp_path))) == 2
    time.sleep(0.02)
    assert mine.is_due()


def test_only_one_worker_writes(tmp_path: Path) -> None:
    other = writer(tmp_path, Variable(1.0), every_seconds=0.001, writes=False)
    time.sleep(0.01)
    assert not other.is_due()
    other.save(TrainingState(step=1))
    other.wait()
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    weight = Variable(1.0)
    mine = writer(tmp_path, weight)
    mine.save(TrainingState(step=1))
    mine.wait()
    weight.array[3] = np.nan
    mine.save(TrainingState(step=2))
    with pytest.raises(DataError, match="weights are no longer finite at epoch 1, after step 2; lower learning_rate"):
        mine.wait()
    assert checkpoints.names_under(str(tmp_path)) == [TrainingState(step=1).checkpoint]


_FILLS_THE_DISK = """
import resource, sys, time
import numpy as np
from test_train_checkpoint_writer import Variable, writer
from components.errors import DataError
from components.train.checkpoint.checkpoints import TrainingState

mine = writer(sys.argv[1], Variable(1.0, size=10_000))
mine.save(TrainingState(step=1))
mine.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # as if there were room for so much
mine.save(TrainingState(step=2))
try:
    while True:
        mine.check()
        time.sleep(0.01)
except DataError as error:
    print(error)
"""


def test_a_disk_that_is_full_is_said_in_one_line_and_leaves_the_checkpoint_before_whole(tmp_path: Path) -> None:
    path = [str(ROOT), str(Path(__file__).parent)]
    output = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{_FILLS_THE_DISK}", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=True,
    ).stdout
    assert f"cannot write checkpoint {TrainingState(step=2).checkpoint} under" in output
    assert "File too large; the previous one is intact: make room, and run again" in output
    found = checkpoints.read_newest(str(tmp_path), lambda text: pytest.fail(text))
    assert found is not None
    assert found[0].step == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [found[0].checkpoint], "nothing half is left"
