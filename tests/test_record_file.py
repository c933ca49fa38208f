import hashlib
from pathlib import Path

import pytest
import tensorflow as tf

from components.record_file import RecordWriter

RECORDS = [b"", b"a", b"tile" * 1000, bytes(range(256)) * 900]


def test_tensorflow_writes_the_same_file_and_reads_it(tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "expected")) as writer:
        for record in RECORDS * 10:
            writer.write(record)
    with RecordWriter(tmp_path / "records") as writer:
        for record in RECORDS * 10:
            writer.write(record)
    content = (tmp_path / "records").read_bytes()
    assert content == (tmp_path / "expected").read_bytes()
    assert writer.num_bytes == len(content)
    assert writer.sha256() == hashlib.sha256(content).hexdigest()
    assert [each.numpy() for each in tf.data.TFRecordDataset(str(tmp_path / "records"))] == RECORDS * 10


def test_an_error_on_the_way_closes_the_file_at_once(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records")

    def fail() -> None:
        with writer:
            for _ in range(100):
                writer.write(bytes(10**6))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises((ValueError, RuntimeError)):
        writer.write(b"b")
