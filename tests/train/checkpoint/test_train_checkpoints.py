import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from mutations import flip_a_bit

from components.errors import DataError
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoints import TrainingState

ROOT = Path(__file__).parents[3]


def arrays(number: float) -> dict[str, np.ndarray]:
    return {"model/00000/kernel": np.full((3, 4), number, np.float32), "optimizer/00000/value": np.array(-number)}


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def write(root: Path, epoch: int, step: int = 0, keep: int = 2, best: str = "") -> TrainingState:
    state = TrainingState(epoch=epoch, step=step, loss_sum=0.1 + step, best_checkpoint=best)
    checkpoints.write_checkpoint(str(root), arrays(epoch), state, keep)
    return state


def newest(root: Path) -> tuple[TrainingState | None, float, list[str]]:
    """Returns the newest whole checkpoint's state and number, and what was said about others."""
    said: list[str] = []
    found = checkpoints.read_newest(str(root), said.append)
    return (None, 0.0, said) if found is None else (found[0], float(found[1]["model/00000/kernel"][2, 3]), said)


def test_the_last_checkpoint_comes_back_to_the_bit(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    assert newest(root)[0] is None
    for step in (3, 12):  # "12" sorts before "3" as text
        state = write(root, epoch=1, step=step)
    found = newest(root)[0]
    assert found is not None
    assert msgspec.structs.replace(found, files={}) == state
    _, restored = checkpoints.read_checkpoint(str(root), state.checkpoint)
    for name, array in arrays(1).items():
        assert restored[name].dtype == array.dtype
        np.testing.assert_array_equal(restored[name], array)


@pytest.mark.parametrize(("keep", "expected"), [(1, [2, 4]), (2, [2, 3, 4]), (3, [2, 3, 4])])
def test_the_last_ones_and_their_best_are_kept(tmp_path: Path, keep: int, expected: list[int]) -> None:
    best = TrainingState(epoch=2).checkpoint
    for epoch in range(1, 5):
        write(tmp_path, epoch, keep=keep, best=best if epoch >= 2 else "")
    assert names(tmp_path) == [TrainingState(epoch=epoch).checkpoint for epoch in expected]


def test_the_best_of_the_one_before_stays_too_since_training_may_go_back_there(tmp_path: Path) -> None:
    first, second, third = (TrainingState(epoch=epoch).checkpoint for epoch in (1, 2, 3))
    write(tmp_path, 1, best=first)
    write(tmp_path, 2, best=first)
    write(tmp_path, 3, best=third)
    assert names(tmp_path) == [first, second, third]
    write(tmp_path, 4, best=third)
    assert first not in names(tmp_path)


def test_an_unfinished_checkpoint_is_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path, 1)
    half = tmp_path / "epoch-00002-step-000000000"
    half.mkdir()
    (half / "variables.npz").write_bytes(b"")
    (tmp_path / ".checkpoint-x.tmp").mkdir()
    state, number, said = newest(tmp_path)
    assert state is not None
    assert (state.epoch, number, said) == (1, 1.0, [])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [state.checkpoint], "no remains"


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("file", ["variables.npz", "state.json"])
def test_a_damaged_checkpoint_is_never_restored_but_the_one_before_it(tmp_path: Path, damage, file: str) -> None:
    write(tmp_path, 1)
    last = write(tmp_path, 2)
    damage(tmp_path / last.checkpoint / file)
    state, number, said = newest(tmp_path)
    assert state is not None
    assert (state.epoch, number) == (1, 1.0)
    if (file, damage) != ("state.json", Path.unlink):  # that is how a removal begins
        assert f"checkpoint {last.checkpoint} is damaged, falling back to the one before it" in said[0]
    write(tmp_path, 2)
    assert newest(tmp_path)[1] == 2.0, "it can be written anew"


def test_where_all_are_damaged_training_starts_anew_and_says_so(tmp_path: Path) -> None:
    for epoch in (1, 2):
        flip_a_bit(tmp_path / write(tmp_path, epoch).checkpoint / "variables.npz")
    state, _, said = newest(tmp_path)
    assert state is None
    assert len(said) == 2


def test_the_best_checkpoint_is_refused_if_it_is_damaged(tmp_path: Path) -> None:
    state = write(tmp_path, 1)
    flip_a_bit(tmp_path / state.checkpoint / "variables.npz")
    with pytest.raises(DataError, match=r"variables.npz has changed since it was written: its sha256 differs"):
        checkpoints.read_checkpoint(str(tmp_path), state.checkpoint)


_WRITES_FOR_EVER = """
import itertools, sys
import numpy as np
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoints import TrainingState

for step in itertools.count(int(sys.argv[2])):
    arrays = {f"model/{place}": np.full(100_000, float(step)) for place in range(5)}
    checkpoints.write_checkpoint(sys.argv[1], arrays, TrainingState(step=step, global_step=step), 2)
    print(step, flush=True)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    written = -1
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITES_FOR_EVER, str(tmp_path), str(written + 1)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            written = int(child.stdout.readline())
            time.sleep(random.uniform(0.0, 0.1))
            child.send_signal(signal.SIGKILL)
            written = max([written, *map(int, child.stdout.read().split())])
        found = checkpoints.read_newest(str(tmp_path), lambda text: pytest.fail(text))
        assert found is not None
        state, restored = found
        assert state.step in (written, written + 1)
        assert {float(number) for array in restored.values() for number in np.unique(array)} == {float(state.step)}
        written = state.step
