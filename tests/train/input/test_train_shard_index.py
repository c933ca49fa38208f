from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from tile_shards import fake_record, write_split

from components.contracts import SplitSummary
from components.errors import DataError
from components.records import tfrecords, tile_record
from components.train.input.shard_index import index_split

RECORDS = [fake_record(number, size_px=16) for number in range(7)]


@pytest.fixture
def split(tmp_path: Path) -> SplitSummary:
    return write_split(tmp_path, RECORDS, num_shards=2)


def test_any_record_can_be_read_by_itself(tmp_path: Path, split: SplitSummary) -> None:
    index = index_split(str(tmp_path), split, 3, single_label=False)
    in_order = [*RECORDS[0::2], *RECORDS[1::2]]
    for record in (6, 0, 3):
        assert index.read(record) == tile_record.serialize(in_order[record])
    from_tensorflow = tf.data.TFRecordDataset([str(tmp_path / shard.path) for shard in split.shards])
    assert [index.read(record) for record in range(len(index))] == list(from_tensorflow.as_numpy_iterator())


def test_single_label_leaves_out_tiles_with_several_classes(tmp_path: Path, split: SplitSummary) -> None:
    index = index_split(str(tmp_path), split, 3, single_label=True)
    assert len(index) == split.num_single_label == sum(sum(record.labels) == 1 for record in RECORDS)
    assert 0 < len(index) < len(RECORDS)
    for record in range(len(index)):
        assert np.sum(tfrecords.parse(index.read(record), 3)["labels"]) == 1


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (4, r"no record of [\d,]+ bytes begins at byte 0"),  # the record's length
        (40, "the record at byte 12 has a wrong checksum"),
    ],
)
def test_a_flipped_bit_names_the_shard(tmp_path: Path, split: SplitSummary, place: int, message: str) -> None:
    path = tmp_path / split.shards[0].path
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path.name}.*{message}"):
        index_split(str(tmp_path), split, 3, single_label=False).read(0)


def test_a_cut_shard_is_noticed(tmp_path: Path, split: SplitSummary) -> None:
    path = tmp_path / split.shards[1].path
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=f"{path.name}.*expected .* bytes, found"):
        index_split(str(tmp_path), split, 3, single_label=False)


def test_a_missing_shard_is_named(tmp_path: Path, split: SplitSummary) -> None:
    (tmp_path / split.shards[0].path).unlink()
    with pytest.raises(DataError, match=r"\.tfrecord.*found none"):
        index_split(str(tmp_path), split, 3, single_label=False)


def test_labels_are_told_in_the_order_of_the_index_and_no_shard_is_read_for_them(
    tmp_path: Path, split: SplitSummary
) -> None:
    expected = np.array([record.labels for record in (*RECORDS[0::2], *RECORDS[1::2])], bool)
    for shard in split.shards:
        (tmp_path / shard.path).write_bytes(bytes(shard.num_bytes))
    np.testing.assert_array_equal(index_split(str(tmp_path), split, 3, single_label=False).labels(3), expected)
    single = index_split(str(tmp_path), split, 3, single_label=True)
    np.testing.assert_array_equal(single.labels(3), expected[expected.sum(axis=1) == 1])


def test_a_table_of_other_shards_is_refused(tmp_path: Path, split: SplitSummary) -> None:
    other = msgspec.structs.replace(split, shards=split.shards[::-1])
    with pytest.raises(DataError, match=r"\.records' lists [\d,]+ bytes in 'shards/.*', expected [\d,]+"):
        index_split(str(tmp_path), other, 3, single_label=False)
    with pytest.raises(DataError, match=r"\.records' has 35 bytes, expected 6 for each of 7 tiles"):
        index_split(str(tmp_path), split, 9, single_label=False)
