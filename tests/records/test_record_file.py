import hashlib
import os
import struct
from pathlib import Path

import pytest
import tensorflow as tf
from mutations import mutations

from components.records.record_file import DamagedFile, RecordWriter, masked_crc, read_records

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


def write(path: Path, records: list[bytes]) -> bytes:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path.read_bytes()


def test_records_are_read_back_and_all_bytes_hashed(tmp_path: Path) -> None:
    content = write(tmp_path / "records", RECORDS * 3)
    digest = hashlib.sha256()
    assert list(read_records(tmp_path / "records", digest)) == RECORDS * 3
    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()
    assert list(read_records(tmp_path / "records")) == RECORDS * 3
    (tmp_path / "empty").touch()
    assert list(read_records(tmp_path / "empty")) == []
    with pytest.raises(FileNotFoundError, match="none"):
        next(read_records(tmp_path / "none"))


def test_a_file_that_was_cut_off_is_damaged_unless_it_ends_between_records(tmp_path: Path) -> None:
    records = [b"", b"a", b"tile" * 30, b"c" * 50]
    content = write(tmp_path / "records", records)
    sizes = [16 + len(record) for record in records]
    ends = [sum(sizes[:count]) for count in range(len(records))]
    for size in range(len(content)):
        (tmp_path / "records").write_bytes(content[:size])
        num_sound = sum(end <= size for end in ends) - 1
        if size in ends:
            assert list(read_records(tmp_path / "records")) == records[:num_sound]
        else:
            with pytest.raises(DamagedFile, match="the file ends within a record") as damaged:
                list(read_records(tmp_path / "records"))
            assert damaged.value.num_records == num_sound


def test_what_is_yielded_before_damage_is_sound(tmp_path: Path) -> None:
    records = [bytes([number]) * number for number in range(1, 60, 9)]
    content = write(tmp_path / "records", records)
    num_refused = 0
    for number, damaged in enumerate(mutations(content, 300, seed=3)):
        (tmp_path / "records").write_bytes(damaged)
        reader, sound = read_records(tmp_path / "records"), list[bytes]()
        try:
            sound.extend(iter(reader))
        except DamagedFile:
            num_refused += 1
            if number < 10:
                with pytest.raises(tf.errors.DataLossError, match=r"corrupted|truncated"):
                    list(tf.data.TFRecordDataset(str(tmp_path / "records")))
        assert {*sound} <= {*records}
    assert num_refused > 200


def test_a_length_beyond_the_end_takes_no_memory(tmp_path: Path) -> None:
    content = write(tmp_path / "records", [b"a" * 100])
    length = struct.pack("<Q", 2**60)
    (tmp_path / "records").write_bytes(length + struct.pack("<I", masked_crc(length)) + content[12:])
    with pytest.raises(DamagedFile, match="after record 0: the file ends within a record"):
        list(read_records(tmp_path / "records"))


def test_a_system_that_takes_few_bytes_at_a_time_gets_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [bytes([number % 256]) * number for number in range(2500)]  # of three parts each, more than a call takes
    expected = write(tmp_path / "expected", records)
    assert list(read_records(tmp_path / "expected")) == records
    monkeypatch.setattr(os, "writev", lambda descriptor, parts: os.write(descriptor, b"".join(parts)[:1000]))
    assert write(tmp_path / "records", records) == expected


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system takes no such advice")
def test_a_file_that_stays_goes_to_disk_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    advise = os.posix_fadvise

    def note(descriptor: int, offset: int, num_bytes: int, advice: int) -> None:
        assert os.fstat(descriptor).st_size >= offset + num_bytes  # handed to the system before
        begun.append((offset, offset + num_bytes))
        advise(descriptor, offset, num_bytes, advice)

    monkeypatch.setattr(os, "posix_fadvise", note)
    records = [bytes([number]) * 10**6 for number in range(30)]
    with RecordWriter(tmp_path / "records", stays=True) as writer:
        for record in records:
            writer.write(record)
    assert list(read_records(tmp_path / "records")) == records
    assert [start for start, _ in begun] == [0, *(end for _, end in begun[:-1])]
    assert 3 <= len(begun) <= 4
    assert begun[-1][1] > 20e6


def test_an_error_on_the_way_closes_the_file_at_once(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records")

    def fail() -> None:
        with writer:
            for _ in range(100):
                writer.write(bytes(10**6))
            raise ZeroDivisionError("on the way")

    with pytest.raises(ZeroDivisionError, match="on the way"):
        fail()
    with pytest.raises(ValueError, match="the file is closed"):
        writer.write(b"b")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("num_records", [1, 100])  # written when the file is closed, and long before
def test_a_full_disk_is_an_error_however_late_it_is_found(num_records: int) -> None:
    with pytest.raises(OSError, match="No space left"):
        write(Path("/dev/full"), [bytes(10**5)] * num_records)
