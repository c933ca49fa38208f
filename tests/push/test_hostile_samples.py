"""The sample of an evaluation, as somebody may have forged it together with its sha256."""

import hashlib
import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Evaluation, Scores
from components.errors import DataError
from components.push.sample import read_sample

pytestmark = pytest.mark.hostile
IDS = np.array(["a", "b"])
PROBABILITIES = np.full((2, 3), 0.5, np.float32)
PREDICTED = np.zeros((2, 3), bool)


def evaluation_of(content: bytes, root: Path, **changes: str) -> Evaluation:
    path = root / "evaluations/x/sample.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    named = {"sample_path": "evaluations/x/sample.npz", "sample_sha256": hashlib.sha256(content).hexdigest()}
    return Evaluation(
        training_id="t",
        manifest_sha256="0" * 64,
        num_test_tiles=2,
        thresholds=(0.5,) * 3,
        candidate=Scores(macro_f1=0.5, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={}),
        **{"predictions_path": "evaluations/x/sample.npz", **named, **changes},
    )


def archive_of(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, **{"tile_ids": IDS, "candidate": PROBABILITIES, "candidate_predicted": PREDICTED} | arrays
    )
    return buffer.getvalue()


def claimed(header: bytes, name: str = "candidate") -> bytes:
    """An archive in which an array has this header and no content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for each, array in (("tile_ids", IDS), ("candidate_predicted", PREDICTED)):
            npy = io.BytesIO()
            np.save(npy, array)
            archive.writestr(f"{each}.npy" if each != name else "other.npy", npy.getvalue())
        padded = header.ljust(117) + b"\n"
        archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded)
    return buffer.getvalue()


def test_a_sample_is_read_by_tile(tmp_path: Path) -> None:
    for number, content in enumerate((archive_of(), archive_of(candidate=np.asfortranarray(PROBABILITIES)))):
        kept = read_sample(str(tmp_path / str(number)), evaluation_of(content, tmp_path / str(number)), 3)
        assert kept.row_of_tile == {"a": 0, "b": 1}
        np.testing.assert_array_equal(kept.probabilities, PROBABILITIES)
        np.testing.assert_array_equal(kept.predicted, PREDICTED)
        assert len(kept.maps) == 0


def test_maps_of_the_first_tiles_are_read_if_there_are_any(tmp_path: Path) -> None:
    maps = np.arange(48, dtype=np.float32).reshape(2, 2, 4, 3)
    for number, each in enumerate((maps, np.asfortranarray(maps))):
        kept = read_sample(
            str(tmp_path / str(number)), evaluation_of(archive_of(candidate_maps=each), tmp_path / str(number)), 3
        )
        np.testing.assert_array_equal(kept.maps, maps)


def test_of_an_earlier_evaluation_the_first_tiles_are_read(tmp_path: Path) -> None:
    content = archive_of(
        tile_ids=np.array([f"t{number}" for number in range(5_000)]),
        candidate=np.arange(15_000, dtype=np.float32).reshape(5_000, 3),
        candidate_predicted=np.zeros((5_000, 3), bool),
    )
    kept = read_sample(str(tmp_path), evaluation_of(content, tmp_path, sample_path="", sample_sha256=""), 3)
    assert kept.probabilities.shape == (1_024, 3)
    assert kept.probabilities[kept.row_of_tile["t1000"]].tolist() == [3_000, 3_001, 3_002]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "BadZipFile"),
        (b"no archive", "BadZipFile"),
        (archive_of()[:-30], "BadZipFile"),
        (archive_of(candidate=np.array([[{"a": 1}] * 3] * 2, object)), r"candidate is object \[2, 3\]"),
        (archive_of(candidate=PROBABILITIES.astype(float)), r"candidate is float64 \[2, 3\]"),
        (archive_of(candidate=PROBABILITIES[:, :2]), r"candidate is float32 \[2, 2\]"),
        (archive_of(candidate=PROBABILITIES[:1]), "it has 1 rows of candidate for 2 tiles"),
        (archive_of(candidate=np.float32(1)), r"candidate is float32 \[\]"),
        (archive_of(candidate_predicted=PREDICTED.astype(int)), "candidate_predicted is int64"),
        (archive_of(tile_ids=np.array([b"a", b"b"])), r"tile_ids is \|S1"),
        (archive_of(tile_ids=np.array(["a" * 5_000, "b"])), "tile_ids is <U5000"),
        (claimed(b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000000000000, 3), }"), "is cut short"),
        (claimed(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }"), "candidate is float32"),
        (
            claimed(b"{'descr': '<f4', 'fortran_order': True, 'shape': (4611686018427387904, 3), }"),
            "rows, at most 1,024",
        ),
        (claimed(b"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }"), "candidate is object"),
        (claimed(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, " + b"(" * 60), "Error: "),
        (claimed(b"", "tile_ids"), "Error: "),
        (archive_of(candidate_maps=np.zeros((2, 4, 4, 2), np.float32)), r"candidate_maps is \[2, 4, 4, 2\]"),
        (archive_of(candidate_maps=np.zeros((2, 4, 3), np.float32)), r"candidate_maps is \[2, 4, 3\]"),
        (archive_of(candidate_maps=np.zeros((2, 0, 4, 3), np.float32)), r"candidate_maps is \[2, 0, 4, 3\]"),
        (archive_of(candidate_maps=np.zeros((2, 4, 4, 3))), "candidate_maps is float64"),
        (
            archive_of(candidate_maps=np.zeros((1, 9_000, 9_000, 3), np.bool_)),
            r"candidate_maps is \[1, 9000, 9000, 3\]",
        ),
    ],
)
def test_what_is_no_sample_is_one_line_that_says_what_to_do(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(
        DataError, match=rf"sample.npz' is not what an evaluation keeps: .*{reason}.*; delete it and run"
    ):
        read_sample(str(tmp_path), evaluation_of(content, tmp_path), 3)


def test_a_sample_that_unpacks_to_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("tile_ids.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<U1024", "fortran_order": False, "shape": (1 << 20,)})
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(DataError, match="is not what an evaluation keeps"):
        read_sample(str(tmp_path), evaluation_of(buffer.getvalue(), tmp_path), 3)
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("changes", [{}, {"sample_path": "", "sample_sha256": ""}])
def test_a_missing_sample_is_one_line(tmp_path: Path, changes: dict[str, str]) -> None:
    evaluation = evaluation_of(b"", tmp_path, **changes)
    (tmp_path / "evaluations/x/sample.npz").unlink()
    with pytest.raises(DataError, match=r"sample.npz' is missing; run the pipeline again"):
        read_sample(str(tmp_path), evaluation, 3)


def test_a_sample_that_was_changed_or_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = evaluation_of(archive_of(), tmp_path, sample_sha256="0" * 64)
    with pytest.raises(DataError, match=r"has sha256 .*, expected 0000000000000000…; delete it"):
        read_sample(str(tmp_path), evaluation, 3)
    monkeypatch.setattr("components.push.sample._MOST_BYTES", 10)
    with pytest.raises(DataError, match=r"bytes, and a sample at most 10; delete it"):
        read_sample(str(tmp_path), evaluation, 3)
