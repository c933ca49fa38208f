"""Each strategy that runs on a processor, with real worker processes, on tiny tiles."""

import dataclasses
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tile_shards import fake_dataset, fake_record, manifest_of, write_split
from train_fixtures import (
    another_root,
    answers,
    assert_equal,
    checkpointed,
    copy_shards,
    in_background,
    shared_folder,
    train,
    wait_for,
    write_data,
)

from components.contracts import Manifest
from components.errors import DataError
from components.records import tfrecords
from components.records.mask_png import encode_mask
from components.train import training
from components.train.input.cover import classes_of, valid_of
from components.train.input.graph_reader import PlaceReader, read_tiles
from components.train.input.reader import Reader
from components.train.input.shard_index import index_split
from components.train.launch.local.process import WorkerProcess
from components.train.launch.local.spawn import ProcessGang
from components.train.settings.worker_spec import EXIT_STOPPED, WorkersFailed
from components.train.worker.parameter_server import refuse_damage

TUNING = {
    "image_size_px": 32,
    "global_batch_size": 8,
    "epochs": 3,
    "learning_rate": 1e-3,
    "zoom_range": 0.1,
    "brightness_range": 0.1,
    "clip_norm": 1.0,
    "ema_decay": 0.5,
    "steps_per_call": 2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "data", write_data)


@pytest.fixture
def root(data: Path, tmp_path: Path) -> Path:
    return another_root(data, tmp_path)


@pytest.mark.long
def test_two_replicas_of_one_worker_equal_one_device(
    data: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = train(data, 1, TUNING, strategy="mirrored")
    assert "train_strategy mirrored found one device, so it works like one_device" in capfd.readouterr().out
    # Two parts of the processor in place of two GPUs.
    monkeypatch.setattr(training, "resolve_strategy", lambda *args: ("mirrored", 2))
    together = train(root, 1, TUNING, strategy="mirrored")
    assert_equal(root, together, data, alone, atol=1e-5)
    assert together.strategy == "mirrored"


@pytest.mark.long
def test_with_xla_two_workers_of_two_replicas_equal_one_device(
    data: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = {**TUNING, "epochs": 1, "xla": True}
    alone = train(data, 1, tuning)
    # Without XLA, one device differs from itself with XLA by rounding alone.
    assert_equal(data, alone, data, train(data, 1, {**tuning, "xla": False}), atol=1e-4)
    monkeypatch.setattr(training, "resolve_strategy", lambda *args: ("multi_worker_mirrored", 2))
    assert_equal(root, train(root, 2, tuning), data, alone, atol=1e-4)


def reader_of(data: Path, kind: type[Reader] = Reader) -> Reader:
    manifest = Manifest.read(data / "manifest.json")
    return kind(
        index=index_split(str(data), manifest.splits["train"], 3, single_label=False),
        bands=manifest.bands,
        num_classes=3,
        image_size_px=32,
        ratio=tfrecords.decoder_ratio(list(manifest.tile_sizes), 32),
    )


def test_a_worker_of_parameter_servers_reads_the_very_tiles_of_the_plan(data: Path) -> None:
    plan = np.array([[3, 17, 0, 5], [1, 2, 30, 21]])
    expected = [batch for _, batch in reader_of(data).batches(plan)]
    read = tf.function(read_tiles)
    for (step, places), batch in zip(reader_of(data, PlaceReader).batches(plan), expected, strict=True):
        image, valid, labels = read(places.uris, places.offsets, 4, ("red", "green", "blue", "nir"), 3, 32, 1)
        assert np.array_equal(image, batch.image), step
        assert np.array_equal(valid, batch.valid)
        assert np.array_equal(labels, batch.labels)


@pytest.mark.parametrize("stored_px", [64, 32])  # in the source's size, and stored smaller
def test_a_worker_of_parameter_servers_reads_the_same_masks_of_classes(tmp_path: Path, stored_px: int) -> None:
    fake_dataset(tmp_path, 12, 4, stored_px, label_masks=True).write(tmp_path / "manifest.json")
    plan = np.array([[3, 7, 0, 5]])
    ((_, batch),) = dataclasses.replace(reader_of(tmp_path), label_masks=True).batches(plan)
    ((_, places),) = reader_of(tmp_path, PlaceReader).batches(plan)
    bands = ("red", "green", "blue", "nir")
    _, cover, _ = tf.function(read_tiles)(places.uris, places.offsets, 4, bands, 3, 32, 1, True)
    assert np.array_equal(cover, batch.cover)
    assert np.array_equal(valid_of(batch.cover), batch.valid)
    shares = classes_of(batch.cover, 3).numpy().mean(axis=(2, 3))  # [4, 3]
    assert np.array_equal(shares > 0, batch.labels.numpy() > 0)


@pytest.mark.parametrize(
    ("masks", "said", "reason"),
    [
        ((b"", b"", b"no image"), "expected a JPEG or PNG", "label mask 2: not a readable PNG"),
        (
            (b"", encode_mask(np.ones((48, 40), bool)), b""),
            "not of one size",
            "label mask 1: 40x48 px, but .* 48x48 px",
        ),
        ((encode_mask(np.ones((9000, 9000), bool)),) * 3, "not of one size", "label mask 0: "),
        ((encode_mask(np.ones((48, 48), bool)),) * 4, "Can't parse serialized", "it has 4 label_masks, expected 3"),
        ((), "is required but could not be found", "it has 0 label_masks, expected 3"),
    ],
)
def test_hostile_masks_of_classes_stop_a_worker_of_parameter_servers_and_are_named(
    tmp_path: Path, masks: tuple[bytes, ...], said: str, reason: str
) -> None:
    records = [fake_record(number, label_masks=True) for number in range(4)]
    records[2] = dataclasses.replace(records[2], label_masks=masks)
    manifest_of({"train": write_split(tmp_path, records, 1)}, 48, label_masks=True).write(tmp_path / "manifest.json")
    reader = dataclasses.replace(reader_of(tmp_path, PlaceReader), label_masks=True)
    ((_, places),) = reader.batches(np.array([[0, 1, 2, 3]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=said) as failed:
        tf.function(read_tiles)(places.uris, places.offsets, 4, ("red", "green", "blue", "nir"), 3, 32, 1, True)
    with pytest.raises(DataError, match=rf"record 2 of the split, in shard '.*tfrecord', cannot be decoded: {reason}"):
        refuse_damage(failed.value, reader, places.records)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, WorkerProcess]]:
    """The processes that were started last, by name."""
    started: dict[str, WorkerProcess] = {}
    spawn = ProcessGang.spawn

    def remember(gang: ProcessGang, place: int, number: int = 0) -> WorkerProcess:
        process = spawn(gang, place, number)
        started[process.name] = process
        return process

    monkeypatch.setattr(ProcessGang, "spawn", remember)
    yield started
    for process in started.values():
        assert not process.is_running, "no process is left behind"


def in_parallel(root: Path, epochs: int) -> tuple[threading.Thread, list]:
    tuning = {**TUNING, "epochs": epochs}
    return in_background(lambda: train(root, 2, tuning, max_restarts=1, strategy="parameter_server"))


@pytest.mark.long
def test_parameter_servers_train_and_a_lost_worker_stops_nobody(
    root: Path, processes: dict[str, WorkerProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    thread, results = in_parallel(root, epochs=30)
    wait_for(lambda: checkpointed(root))
    lost = processes["worker 1"]
    os.kill(lost.process.pid, signal.SIGKILL)
    thread.join()
    (receipt,) = results
    output = capfd.readouterr().out
    assert "worker 1 was killed by SIGKILL" in output
    assert "the others continue while it restarts, 1 of 1" in output
    assert "resumed" not in output, "nobody went back to a checkpoint"
    assert [row.epoch for row in receipt.history] == list(range(30))
    assert receipt.history[-1].train_loss < 0.8 * receipt.history[0].train_loss
    assert (receipt.strategy, receipt.num_restarts) == ("parameter_server", 1)
    assert list(processes) == ["chief", "worker 0", "worker 1", "parameter server 0"]
    assert processes["chief"].process.returncode == 0
    assert np.isfinite(answers(root, receipt)).all()


@pytest.mark.long
def test_a_lost_parameter_server_restarts_all_from_the_checkpoint_and_so_does_sigterm(
    root: Path, processes: dict[str, WorkerProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    thread, results = in_parallel(root, epochs=500)
    wait_for(lambda: checkpointed(root))
    os.kill(processes["parameter server 0"].process.pid, signal.SIGKILL)
    wait_for(lambda: "resumed at epoch" in capfd.readouterr().out)
    os.kill(processes["chief"].process.pid, signal.SIGTERM)
    thread.join()
    (error,) = results
    assert isinstance(error, WorkersFailed)
    assert f"chief ended with exit code {EXIT_STOPPED}: stopped by SIGTERM, after checkpoint epoch-" in str(error)


@pytest.mark.long
def test_a_damaged_tile_ends_parameter_servers_for_good(data: Path, root: Path) -> None:
    manifest = Manifest.read(root / "manifest.json")
    copy_shards(data, root)
    shard = root / manifest.splits["train"].shards[0].path
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=rf"{shard.name}.*: the record at byte \d+ has a wrong checksum"):
        train(root, 2, TUNING, max_restarts=3, strategy="parameter_server")
