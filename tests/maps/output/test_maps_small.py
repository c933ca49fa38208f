"""Maps made small: previews and areas, and squares of cells, against sums over cells one by one."""

import numpy as np
import pytest
from maps_made import map_grid, map_reader

from components.maps.output.cells import NOT_SURE, YES, CellBlock, cell_blocks
from components.maps.output.coarse import Squares, side_of_squares
from components.maps.output.frame import frame_of
from components.maps.output.preview import Preview


def _preview(values, size, grid=None, valid=None, strip_rows=3):
    grid = grid or map_grid(*values.shape[:2], no_below=(0.25, 0.25))
    preview = Preview(2, frame_of(grid), size)
    for block in cell_blocks(map_reader(grid, values, valid, strip_rows)):
        preview.add(block)
    return preview


def test_a_pixel_shows_which_share_of_its_cells_has_a_class():
    values = np.zeros((4, 6, 2))
    values[0, 0:3, 0] = 1.0
    values[3, 5, 0] = 0.3
    preview = _preview(values, (2, 3))
    assert preview.shares(0, YES).tolist() == [[0.5, 0.25, 0], [0, 0, 0]]
    assert preview.shares(0, NOT_SURE).tolist() == [[0, 0, 0], [0, 0, 0.25]]
    assert not preview.shares(1, YES).any()


def test_a_cell_larger_than_a_pixel_is_drawn_over_several():
    values = np.zeros((2, 2, 2))
    values[0, 1, 1] = 1.0
    grid = map_grid(2, 2, cell_px=64, width_px=96, height_px=96)  # half of the last cells is beyond the source
    shares = _preview(values, (6, 6), grid).shares(1, YES)
    assert shares.tolist() == [[0, 0, 0, 0, 1, 1]] * 4 + [[0] * 6] * 2


@pytest.mark.parametrize("strip_rows", [1, 3, 50])
@pytest.mark.parametrize(("shape", "size"), [((23, 31), (7, 9)), ((23, 31), (23, 31)), ((7, 40), (9, 9))])
def test_previews_and_areas_are_the_same_however_a_map_is_cut(shape, size, strip_rows):
    values = np.random.default_rng(0).random((*shape, 2))
    valid = np.random.default_rng(1).random(shape) < 0.8
    preview, whole = (_preview(values, size, valid=valid, strip_rows=rows) for rows in (strip_rows, 1000))
    for answer in (YES, NOT_SURE):
        np.testing.assert_array_equal(preview.shares(1, answer), whole.shares(1, answer))
    yes, unsure = values >= 0.5, (values >= 0.25) & (values < 0.5)
    assert preview.judged_area == valid.sum()
    assert preview.found_area == (yes.any(axis=2) & valid).sum()
    assert preview.open_area == (unsure.any(axis=2) & ~yes.any(axis=2) & valid).sum()
    assert preview.areas[YES].tolist() == (yes & valid[..., None]).sum(axis=(0, 1)).tolist()
    assert preview.areas[NOT_SURE].tolist() == (unsure & valid[..., None]).sum(axis=(0, 1)).tolist()


@pytest.mark.parametrize(
    ("rows", "columns", "side"), [(5000, 5000, 1), (5000, 5001, 2), (20_000, 20_000, 4), (1, 10**6, 1)]
)
def test_squares_are_cells_up_to_25_million(rows, columns, side):
    assert side_of_squares(map_grid(rows, columns)) == side


@pytest.mark.parametrize("cuts", [[], [1], [4, 5], range(1, 11)])
def test_a_square_shows_what_half_of_its_cells_show(cuts):
    generator = np.random.default_rng(0)
    answers = generator.integers(0, 3, (2, 11, 7)).astype(np.uint8)
    steps = generator.integers(0, 65536, (2, 11, 7)).astype(np.uint16)
    squares, found = Squares(3), []
    for a, b in zip([0, *cuts], [*cuts, 11], strict=True):
        found.append(squares.add(CellBlock(steps[:, a:b], answers[:, a:b], np.ones((b - a, 7), bool))))
    found = [block for block in (*found, squares.finish()) if block is not None]
    for c, row, column in np.ndindex(2, 4, 3):
        cells = np.s_[c, row * 3 : row * 3 + 3, column * 3 : column * 3 + 3]
        yes, some = (answers[cells] == YES).mean(), (answers[cells] > 0).mean()
        expected = YES if yes >= 0.5 else NOT_SURE if some >= 0.5 else 0
        assert np.concatenate([block.answers for block in found], axis=1)[c, row, column] == expected
        mean = np.concatenate([block.steps for block in found], axis=1)[c, row, column]
        assert mean == steps[cells].astype(int).sum() // steps[cells].size
