"""Trainings that are asked to stop by SIGTERM: real worker processes, on tiny tiles."""

import os
import signal
from pathlib import Path

import pytest
from train_fixtures import (
    ENDLESS,
    TUNING,
    another_root,
    assert_equal,
    checkpointed,
    in_background,
    shared_folder,
    train,
    wait_for,
    workers_of,
    write_data,
)

from components.train.settings.worker_spec import EXIT_STOPPED, WorkersFailed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "data", write_data)


@pytest.mark.long
def test_sigterm_writes_a_checkpoint_from_which_training_ends_bit_for_bit_the_same(data: Path, tmp_path: Path) -> None:
    undisturbed = train(data, 1, TUNING)
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 1, TUNING))
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[0], signal.SIGTERM)
    thread.join()
    (error,) = results
    assert isinstance(error, WorkersFailed)
    assert f"worker 0 ended with exit code {EXIT_STOPPED}: stopped by SIGTERM, after checkpoint epoch-" in str(error)
    receipt = train(root, 1, TUNING)
    assert_equal(root, receipt, data, undisturbed)


@pytest.mark.long
def test_workers_stop_after_the_same_step_whoever_gets_sigterm(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 2, ENDLESS))
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[1], signal.SIGTERM)
    thread.join()
    assert_stopped_together(root, results)


@pytest.mark.long
def test_workers_stop_at_the_same_batch_of_a_long_validation(tmp_path: Path) -> None:
    write_data(tmp_path, num_train=8, num_val=8, repeat_val=120)
    # One step, and then 120 batches, of which each takes some ten milliseconds.
    thread, results = in_background(lambda: train(tmp_path, 2, ENDLESS))
    wait_for(lambda: checkpointed(tmp_path))
    os.kill(workers_of(os.getpid())[1], signal.SIGTERM)
    thread.join()
    state = assert_stopped_together(tmp_path, results)
    assert (state.step, len(state.history)) == (1, state.epoch), "an epoch that is trained and not validated"


def assert_stopped_together(root: Path, results: list):
    (error,) = results
    assert isinstance(error, WorkersFailed)
    assert f"exit code {EXIT_STOPPED}: stopped by SIGTERM" in str(error)
    state = checkpointed(root)
    assert state is not None
    logs = list((root / "training").glob("*/logs/*/*.log"))
    assert len(logs) == 2
    for log in logs:
        assert f"after checkpoint {state.checkpoint}" in log.read_text()
    return state
