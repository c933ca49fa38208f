import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tile_shards import BANDS, fake_record, write_split

from components.errors import DataError
from components.records.tile_record import Record
from components.train.input.order import evaluation_plan, train_plan
from components.train.input.reader import Batch, Reader
from components.train.input.shard_index import index_split


def make_reader(root: Path, records: list[Record], **changes: int) -> Reader:
    split = write_split(root, records, num_shards=2)
    index = index_split(str(root), split, 3, single_label=False)
    return Reader(index=index, bands=BANDS, num_classes=3, image_size_px=16, ratio=2, **changes)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return make_reader(tmp_path, [fake_record(number, size_px=32) for number in range(11)], num_threads=2)


def test_a_batch_holds_what_decoding_its_records_one_by_one_gives(reader: Reader) -> None:
    plan = train_plan(11, 4, worker=0, num_workers=1, seed=0, epoch=0)
    for step, batch in reader.batches(plan):
        for place, record in enumerate(plan[step]):
            image, valid, labels = reader.decode(reader.index.read(int(record)))
            np.testing.assert_array_equal(batch.image[place], image)
            np.testing.assert_array_equal(batch.valid[place], valid)
            np.testing.assert_array_equal(batch.labels[place], labels)
        assert batch.image.dtype == batch.valid.dtype == np.uint8
    assert step == 1


@pytest.mark.parametrize("label_masks", [False, True])
def test_a_batch_made_of_its_tensors_is_the_same_and_has_their_bytes(label_masks: bool) -> None:
    image = tuple(tf.fill([2, 16, 16, bands], tf.constant(bands, tf.uint8)) for bands in (3, 1))
    masks = tf.fill([2, 3, 16, 2], tf.constant(7, tf.uint8)) if label_masks else None
    batch = Batch(image, tf.fill([2, 16, 2], tf.constant(9, tf.uint8)), tf.ones([2, 3]), np.ones(2, np.float32), masks)
    again = Batch.of_tensors(batch.tensors, label_masks)
    np.testing.assert_array_equal(again.image, batch.image)
    np.testing.assert_array_equal(again.cover, batch.cover)
    np.testing.assert_array_equal(again.labels, batch.labels)
    assert again.weights.tolist() == [1.0, 1.0]
    assert batch.num_bytes == 2 * (16 * 16 * 4 + 16 * 2 + 4 * 3 + (3 * 16 * 2 if label_masks else 0))


def test_two_workers_read_the_halves_of_what_one_reads(reader: Reader) -> None:
    whole = [batch.image.numpy() for _, batch in reader.batches(train_plan(11, 4, 0, 1, seed=3, epoch=2))]
    halves = [
        [batch.image.numpy() for _, batch in reader.batches(train_plan(11, 4, worker, 2, seed=3, epoch=2))]
        for worker in (0, 1)
    ]
    for one, first, second in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(one, np.concatenate([first, second]))


def test_padding_weighs_nothing(reader: Reader) -> None:
    weights = [batch.weights for _, batch in reader.batches(evaluation_plan(11, 4, worker=0, num_workers=1))]
    assert np.concatenate(weights).tolist() == [1.0] * 11 + [0.0]


def test_resuming_gives_the_rest_and_does_not_look_at_what_came_before(tmp_path: Path) -> None:
    records = [fake_record(number, size_px=32) for number in range(8)]
    broken = make_reader(
        tmp_path, [dataclasses.replace(record, rgb=b"no image") for record in records[:4]] + records[4:]
    )
    in_shards = [*range(0, 8, 2), *range(1, 8, 2)]  # round robin
    order = np.argsort(in_shards).reshape(4, 2)  # steps 0 and 1 hold the broken ones
    assert [step for step, _ in broken.batches(order, first_step=2)] == [2, 3]
    with pytest.raises(DataError, match="cannot be decoded"):
        next(broken.batches(order, first_step=1))


def test_as_many_batches_are_read_ahead_as_are_taken_together(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    start = Reader._start
    monkeypatch.setattr(Reader, "_start", lambda *args: started.append(1) or start(*args))
    together = [1]
    batches = reader.batches(np.arange(11).reshape(11, 1), at_once=lambda: together[0])
    counts = []
    for together[0] in (1, 4, 4, 2, 1, 1, 1):
        next(batches)
        counts.append(len(started))
    batches.close()
    assert counts == [2, 6, 7, 7, 7, 7, 8]  # those that were taken, and as many more


@pytest.mark.parametrize("field", ["rgb", "nir", "valid_mask"])
def test_a_damaged_image_names_its_shard(tmp_path: Path, field: str) -> None:
    records = [fake_record(number, size_px=32) for number in range(4)]
    damaged = getattr(records[2], field)[:40] if field != "valid_mask" else b"no image"
    records[2] = dataclasses.replace(records[2], **{field: damaged})
    reader = make_reader(tmp_path, records)
    with pytest.raises(DataError, match=f"record 1 of the split, in shard .*{Path(reader.index.uri(1)).name}"):
        list(reader.batches(np.array([[0, 1], [2, 3]])))


def test_a_damaged_record_names_its_shard(reader: Reader) -> None:
    path = Path(reader.index.uri(10))
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path.name}.*checksum"):
        list(reader.batches(np.array([[0, 10]])))
