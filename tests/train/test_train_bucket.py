"""Checkpoints and leases on a bucket. The tests need a gs:// server: STORAGE_EMULATOR_HOST and its settings."""

import os
import threading
import time
import uuid

import numpy as np
import pytest
from made_bucket import make_bucket

from components import storage
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoints import TrainingState
from components.train.launch.one_at_a_time import hold

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
]


@pytest.fixture
def root() -> str:

    bucket = f"train-{uuid.uuid4().hex}"
    make_bucket(bucket)
    return f"gs://{bucket}/training/x"


def test_a_damaged_or_half_checkpoint_is_never_restored_but_the_one_before_it(root: str) -> None:
    states = [TrainingState(epoch=epoch, step=3) for epoch in range(1, 5)]
    for state in states:
        checkpoints.write_checkpoint(root, {"model/00000/kernel": np.full(9, state.epoch, np.float32)}, state, 3)
    names = [state.checkpoint for state in states]
    assert checkpoints.names_under(root) == names[1:]
    storage.write_bytes(storage.join(root, names[3], "variables.npz"), b"not what was written")
    storage.write_bytes(storage.join(root, names[0], "variables.npz"), b"half: no state")
    said: list[str] = []
    found = checkpoints.read_newest(root, said.append)
    assert found is not None
    assert found[0].checkpoint == names[2]
    np.testing.assert_array_equal(found[1]["model/00000/kernel"], np.full(9, 3, np.float32))
    assert f"checkpoint {names[3]} is damaged, falling back to the one before it" in said[0]
    assert {file.path.split("/")[0] for file in storage.list_files(root)} == set(names[1:3]), "no remains"


def test_one_launch_at_a_time_holds_a_training(root: str) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with hold(root, said.append, seconds=2.0):
            order.append("second")

    with hold(root, pytest.fail, seconds=2.0) as lease:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(3.0)  # longer than a lease that nobody renews
        lease.check()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert said[0].endswith("is already running this training; waiting for it to end")
