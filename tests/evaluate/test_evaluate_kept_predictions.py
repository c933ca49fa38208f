"""What an evaluation keeps of each tile: read by NumPy, written whole, equal for equal content."""

import hashlib
import resource

import numpy as np
import pytest

from components.evaluate.judged import judge
from components.evaluate.kept_predictions import SAMPLE_TILES, write_predictions
from components.evaluate.reading.columns import ColumnWriter
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.reading.tile_names import NameWriter

CLASSES = ("a", "b", "c")
THRESHOLDS = (0.3, 0.5, 0.9)


def sigmoid(logits):
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def split_columns(folder, num_tiles, name="Feld süd {}"):
    """Columns with random answers of two models."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = rng.random((num_tiles, 3)) < 0.4
    answers = {of: rng.normal(size=labels.shape).astype(np.float32) for of in ("candidate", "production")}
    answers["production"] = sigmoid(answers["production"])
    with NameWriter(folder / "tile_ids", num_tiles) as tile_ids, NameWriter(folder / "field_ids", num_tiles) as fields:
        for first in range(0, num_tiles, 1_000):
            rows = range(first, min(first + 1_000, num_tiles))
            tile_ids.add([name.format(row) for row in rows])
            fields.add(["" if row % 2 else f"F{row // 4}" for row in rows])
        return SplitColumns(
            tile_ids.finish(),
            fields.finish(),
            labels,
            np.arange(num_tiles),
            ("one",),
            np.zeros(num_tiles, np.int32),
            False,
            answers,
            np.zeros((num_tiles, 0), np.float32),
            {},
        )


def written(tmp_path, tiles, run="run", maps=None):
    scratch = tmp_path / run
    scratch.mkdir()
    logits = tiles.answers["candidate"]
    answers = {"candidate": sigmoid(logits), "production": tiles.answers["production"]}
    judged = {
        name: judge(tiles, probabilities, THRESHOLDS, CLASSES, "multi_label", scratch / f"{name}.npy")
        for name, probabilities in answers.items()
    }
    return judged, write_predictions(str(tmp_path / "data"), scratch, tiles, judged, logits, "made of", maps)


@pytest.mark.parametrize("num_tiles", [1, SAMPLE_TILES, 20_000])
def test_all_that_was_found_is_kept_by_tile_and_the_sample_is_its_beginning(tmp_path, num_tiles):
    tiles = split_columns(tmp_path / "columns", num_tiles)
    judged, ((predictions, sha256), (sample, sample_sha256)) = written(tmp_path, tiles)
    for path, named in ((predictions, sha256), (sample, sample_sha256)):
        assert hashlib.sha256((tmp_path / "data" / path).read_bytes()).hexdigest() == named
    with np.load(tmp_path / "data" / predictions) as kept, np.load(tmp_path / "data" / sample) as few:
        assert kept["tile_ids"].tolist() == [f"Feld süd {row}" for row in range(num_tiles)]
        assert kept["field_ids"].tolist() == ["" if row % 2 else f"F{row // 4}" for row in range(num_tiles)]
        np.testing.assert_array_equal(kept["labels"], tiles.labels)
        np.testing.assert_array_equal(kept["positions"], np.arange(num_tiles))
        np.testing.assert_array_equal(kept["candidate_logits"], tiles.answers["candidate"])
        for name, model in judged.items():
            np.testing.assert_array_equal(kept[name], model.probabilities)
            np.testing.assert_array_equal(kept[f"{name}_predicted"], model.predicted)
            assert tuple(kept[f"{name}_thresholds"]) == THRESHOLDS
        assert set(few.files) == set(kept.files) - {"field_ids"}
        for name in few.files:
            np.testing.assert_array_equal(few[name], kept[name][:SAMPLE_TILES])
    assert (tmp_path / "data" / sample).stat().st_size < 20_000


def test_equal_content_has_equal_names_and_bytes_and_a_second_writer_changes_nothing(tmp_path):
    first = written(tmp_path, split_columns(tmp_path / "columns", 100))[1]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npz")}
    again = written(tmp_path, split_columns(tmp_path / "columns2", 100), "again")[1]
    assert first == again
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npz")} == before
    other = written(tmp_path, split_columns(tmp_path / "columns3", 100, name="tile {}"), "other")[1]
    assert other[0] != first[0]


def test_names_are_written_a_few_at_a_time(tmp_path):
    tiles = split_columns(tmp_path / "columns", 100_000, name="x" * 400 + "{}")  # 160 MB as an array of texts
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    predictions = written(tmp_path, tiles)[1][0][0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000
    assert (tmp_path / "data" / predictions).stat().st_size < 20_000_000


def test_columns_on_disk_are_kept_as_arrays_are(tmp_path):
    tiles = split_columns(tmp_path / "columns", 50)
    with ColumnWriter(tmp_path / "labels.npy", 50, 3, np.bool_) as writer:
        writer.add(tiles.labels)
        on_disk = writer.finish()
    in_memory = written(tmp_path, tiles)[1]
    object.__setattr__(tiles, "labels", on_disk)
    assert written(tmp_path, tiles, "disk")[1] == in_memory


def test_other_maps_of_equal_answers_have_a_place_of_their_own(tmp_path):
    tiles = split_columns(tmp_path / "columns", 10)
    maps = np.zeros((4, 2, 2, 3), np.float32)
    places = [
        written(tmp_path, tiles, run, of)[1]
        for run, of in (("none", None), ("one", maps), ("other", maps + np.float32(1e-6)), ("again", maps))
    ]
    assert len({path for (path, _), _ in places}) == 3
    assert places[1] == places[3]
    for (_, (sample, _)), of in zip(places[1:3], (maps, maps + np.float32(1e-6)), strict=True):
        with np.load(tmp_path / "data" / sample) as kept:
            np.testing.assert_array_equal(kept["candidate_maps"], of)
