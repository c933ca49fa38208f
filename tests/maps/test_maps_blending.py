"""Answers about windows become the cells of a map: exact where one window reaches, without seams where several do."""

import msgspec
import numpy as np
import pytest
import tensorflow as tf

from components.maps import blending
from components.maps.blending import blend
from components.maps.grid import MapGrid, MapPart
from components.maps.window_part import WindowPart, packed
from components.maps.windows import Axis, hann, starts
from components.scoring.dense.pixel_classes import log_odds, pixel_classes


def grid_of(height, width, window, tops, cell=None, is_dense=False):
    cell = cell or window // 8
    return MapGrid(
        name="m", source_uri="m.tif", fingerprint="0" * 64, width_px=width, height_px=height, cell_px=cell,
        columns=-(-width // cell), rows=-(-height // cell), window_px=window, classes=("a", "b"),
        thresholds=(0.5, 0.5), is_dense=is_dense, model_version="v", model_uri="v", num_windows=0, num_asked=0,
        parts=tuple(MapPart(name=f"p{top}", sha256="0" * 64, top_px=top) for top in tops),
        quicklook_sha256="0" * 64,
    )  # fmt: skip


def parts_of(height, width, window, stride, sides=(1, 1), seed=0, cell=None):
    """Returns the tops, a part for each row of windows with random answers, and these by the place of the window."""
    rng = np.random.default_rng(seed)
    tops, lefts, parts, known = starts(height, window, stride), starts(width, window, stride), [], {}
    for top in tops:
        answers = rng.random((len(lefts), *sides, 2)).astype(np.float32)
        known |= {(top, left): each for left, each in zip(lefts, answers, strict=True)}
        places = tuple((top, left) for left in lefts)
        part = WindowPart(
            places=places, sides=sides, answers=answers.tobytes(), valid=(b"",) * len(lefts), num_windows=len(lefts)
        )
        parts.append(part)
    return tops, parts, known


def whole(grid, parts):
    strips = list(blend(grid, parts))
    assert [s.first_row for s in strips] == np.cumsum([0, *(len(s.valid) for s in strips)])[:-1].tolist()
    return np.concatenate([s.probabilities for s in strips]), np.concatenate([s.valid for s in strips])


def test_without_overlap_each_cell_has_exactly_the_answer_of_its_window():
    tops, parts, known = parts_of(192, 256, 64, 64)
    values, valid = whole(grid_of(192, 256, 64, tops), parts)
    assert valid.all()
    for (top, left), answer in known.items():
        cells = values[top // 8 : top // 8 + 8, left // 8 : left // 8 + 8]
        np.testing.assert_array_equal(cells, np.broadcast_to(answer, cells.shape))


@pytest.mark.parametrize(("height", "width", "stride"), [(150, 201, 32), (150, 201, 16), (40, 300, 32), (64, 64, 32)])
def test_a_cell_is_the_weighted_mean_of_the_windows_that_have_its_centre(height, width, stride):
    tops, parts, known = parts_of(height, width, 64, stride)
    grid = grid_of(height, width, 64, tops)
    values, _ = whole(grid, parts)
    rows, columns = Axis(height, 8), Axis(width, 8)
    for row in range(grid.rows):
        for column in range(grid.columns):
            y, x = rows.centre(row), columns.centre(column)
            near = [(top, left) for top, left in known if top <= y < top + 64 and left <= x < left + 64]
            places = np.array([(y - top, x - left) for top, left in near])
            weights = hann(places, 64).prod(axis=1)
            expected = weights @ np.array([known[place][0, 0] for place in near], float) / weights.sum()
            np.testing.assert_allclose(values[row, column], expected, atol=1e-6)


def test_how_high_strips_are_does_not_matter(monkeypatch):
    for sides, cell, is_dense in (((1, 1), 8, False), ((8, 8), 1, True)):
        tops, parts, _ = parts_of(150, 201, 64, 32, sides)
        grid = grid_of(150, 201, 64, tops, cell, is_dense)
        expected, _ = whole(grid, parts)
        monkeypatch.setattr(blending, "STRIP_BYTES", 1)
        found, _ = whole(grid, parts)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        monkeypatch.undo()


def test_a_dense_window_alone_is_its_maps_scaled_as_log_odds():
    tops, parts, known = parts_of(128, 192, 64, 64, (8, 8))
    values, _ = whole(grid_of(128, 192, 64, tops, 1, True), parts)
    for (top, left), answer in known.items():
        odds = np.log(answer) - np.log1p(-answer)
        expected = tf.sigmoid(tf.image.resize(odds, (64, 64), "bilinear")).numpy()
        np.testing.assert_allclose(values[top : top + 64, left : left + 64], expected, atol=2e-6)


def test_a_dense_window_alone_shows_a_class_where_label_maps_show_it():
    """Also between a place that is sure of the class and one that is sure of the contrary, beyond 1 in 10 million."""
    answers = np.array([[1e-20, 0.9, 0.0], [0.999, 1e-9, 1.0]], np.float32)[np.newaxis, ..., np.newaxis]
    part = WindowPart(places=((0, 0),), sides=(2, 3), answers=answers.tobytes(), valid=(b"",), num_windows=1)
    grid = msgspec.structs.replace(grid_of(64, 64, 64, (0,), 1, True), classes=("a",), thresholds=(0.3,))
    values, _ = whole(grid, [part])
    expected = pixel_classes(log_odds(answers[0]), (0.3,), 64, 64)
    np.testing.assert_array_equal(values[..., 0] >= 0.3, expected == 1)


def test_blended_maps_have_no_seams_where_windows_begin():
    """Windows disagree about one scene, each as a whole; the largest step among pixels is then not at their borders."""

    def steps(stride):
        tops, parts, known = parts_of(512, 512, 128, stride, (16, 16), seed=3)
        for number, top in enumerate(tops):
            flat = np.stack(
                [np.broadcast_to(known[top, left][:1, :1], (16, 16, 2)) for _, left in parts[number].places]
            )
            parts[number] = msgspec.structs.replace(parts[number], answers=flat.tobytes())
        values, _ = whole(grid_of(512, 512, 128, tops, 1, True), parts)
        step = np.abs(np.diff(values, axis=1)).max(axis=(0, 2))
        at_borders = np.arange(stride - 1, 511, stride)
        return step[at_borders].max(), np.delete(step, at_borders).max()

    at_borders, inside = steps(64)
    assert at_borders < inside < 0.05
    at_borders, inside = steps(128)
    assert inside < 1e-6  # the measure does see a seam
    assert at_borders > 0.5


def test_only_cells_that_count_have_values_and_windows_that_were_not_asked_take_no_part():
    tops, parts, known = parts_of(64, 96, 64, 32)
    full = parts[0]
    valid = np.zeros((8, 8), bool)
    valid[2:4, :4] = True
    part = msgspec.structs.replace(full, places=full.places[:1], answers=full.answers[:8], valid=(packed(valid),))
    values, counts = whole(grid_of(64, 96, 64, tops), [part])
    expected = np.zeros((8, 12), bool)
    expected[2:4, :4] = True
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(values[~counts], 0)
    np.testing.assert_array_equal(values[counts], np.broadcast_to(known[0, 0][0, 0], (8, 2)))


def test_probabilities_at_the_ends_stay_finite():
    part = WindowPart(
        places=((0, 0),), sides=(1, 2), answers=np.array([[0, 1], [1, 0]], np.float32).tobytes(), valid=(b"",),
        num_windows=1,
    )  # fmt: skip
    values, _ = whole(grid_of(64, 64, 64, (0,), 1, True), [part])
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1
