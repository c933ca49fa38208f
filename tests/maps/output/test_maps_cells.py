"""Answers by thresholds, and maps that do not fit their description."""

import numpy as np
import pytest
from maps_made import map_grid, map_reader

from components.errors import DataError
from components.maps.grid import MapReader, Strip
from components.maps.output.cells import NO, NOT_SURE, STEPS, YES, cell_blocks, never_ruled_out


def _answers(values, valid=None, **changes):
    array = np.array(values)[None, :, :]  # one row
    grid = map_grid(1, array.shape[1], classes=tuple("abc"[: array.shape[2]]), **changes)
    (block,) = cell_blocks(map_reader(grid, array, None if valid is None else np.array([valid])))
    return block.answers[:, 0].T.tolist()


@pytest.mark.parametrize(
    ("probability", "threshold", "no_below", "expected"),
    [
        (0.5, 0.5, None, YES),  # the lowest that counts
        (0.4999, 0.5, None, NO),
        (0.4999, 0.5, 0.2, NOT_SURE),
        (0.2, 0.5, 0.2, NOT_SURE),
        (0.1999, 0.5, 0.2, NO),
        (0.3, 0.2, 0.4, YES),  # a bound above the threshold takes nothing from a yes
        (0.1, 0.5, 0.0, NO),  # never ruled out: said once, and not marked everywhere
        (1.0, 1.0, None, YES),
        (1.7, 1.0, None, YES),
    ],
)
def test_a_cell_is_a_yes_from_the_threshold_on(probability, threshold, no_below, expected):
    bounds = None if no_below is None else (no_below,)
    assert _answers([[probability]], thresholds=(threshold,), no_below=bounds) == [[expected]]


def test_without_thresholds_the_most_probable_class_counts():
    values = [[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]
    assert _answers(values, thresholds=None) == [[NO, YES, NO], [YES, NO, NO]]


def test_a_cell_that_was_not_judged_has_no_answer():
    assert _answers([[1.0], [1.0]], valid=[False, True], no_below=(0.2,)) == [[NO], [YES]]


def test_blocks_have_every_row_once_in_steps_of_probability():
    values = np.random.default_rng(0).random((23, 5, 2))
    found = list(cell_blocks(map_reader(map_grid(23, 5), values, strip_rows=4)))
    np.testing.assert_array_equal(
        np.concatenate([block.steps for block in found], axis=1),
        np.round(np.moveaxis(values.astype(np.float32), 2, 0) * np.float32(STEPS)),
    )


@pytest.mark.parametrize(
    ("strips", "message"),
    [
        ([], "ends after 0 of 2 rows"),
        ([(0, 1)], "ends after 1 of 2 rows"),
        ([(0, 1), (0, 1)], "does not fit its description at row 1"),
        ([(1, 1)], "does not fit its description at row 0"),
        ([(0, 3)], "does not fit its description at row 0"),
    ],
)
def test_a_map_that_is_not_what_it_says_is_refused(strips, message):
    parts = [Strip(first, np.zeros((rows, 4, 2), np.float32), np.ones((rows, 4), bool)) for first, rows in strips]
    with pytest.raises(DataError, match=message):
        list(cell_blocks(MapReader(map_grid(2, 4), lambda: iter(parts), lambda: None)))


def test_thresholds_must_be_as_many_as_classes():
    grid = map_grid(2, 4, thresholds=(0.5,))
    with pytest.raises(DataError, match="has 1 thresholds for 2 classes"):
        list(cell_blocks(map_reader(grid, np.zeros((2, 4, 2)))))


def test_it_is_known_which_classes_are_never_ruled_out():
    assert never_ruled_out(map_grid(1, 1, no_below=(0.0, 0.1))) == ("water",)
    assert never_ruled_out(map_grid(1, 1)) == ()
