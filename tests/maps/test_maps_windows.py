import numpy as np
import pytest

from components.errors import SettingsError
from components.maps.windows import Axis, enlarging, hann, starts, stride_of, valid_cells


@pytest.mark.parametrize(
    ("num_px", "window", "stride", "expected"),
    [
        (100, 64, 32, (0, 32, 36)),  # the last one is moved inwards
        (128, 64, 32, (0, 32, 64)),
        (64, 64, 32, (0,)),
        (10, 64, 32, (0,)),  # padded
        (65, 64, 64, (0, 1)),
        (192, 64, 64, (0, 64, 128)),
    ],
)
def test_windows_cover_a_side_and_end_with_it(num_px, window, stride, expected):
    assert starts(num_px, window, stride) == expected


@pytest.mark.parametrize(
    ("window", "overlap", "stride"),
    [(512, 0.5, 256), (512, 0.0, 512), (512, 0.75, 128), (512, 0.3, 384), (512, 0.875, 64), (64, 0.5, 32)],
)
def test_the_distance_of_windows_is_a_whole_number_of_cells(window, overlap, stride):
    assert stride_of(window, overlap) == stride
    assert stride % (window // 8) == 0


@pytest.mark.parametrize(
    ("window", "overlap", "message"),
    [
        (100, 0.5, r"--window-px must be a multiple of 8 in 32\.\.4096, got 100"),
        (16, 0.5, "got 16"),
        (8192, 0.5, "got 8192"),
        (512, 0.9, r"--overlap must be in 0\.\.0.875, got 0.9"),
        (512, -0.1, "got -0.1"),
    ],
)
def test_windows_that_cannot_be_worked_with_are_refused(window, overlap, message):
    with pytest.raises(SettingsError, match=message):
        stride_of(window, overlap)


@pytest.mark.parametrize("cell_px", [1, 7, 8, 64])
@pytest.mark.parametrize("num_px", [1, 5, 63, 64, 65, 200])
def test_every_cell_belongs_to_the_windows_that_have_its_centre_and_to_one_at_least(num_px, cell_px):
    axis = Axis(num_px, cell_px)
    for stride in (32, 64):
        covered = [0] * axis.num_cells
        for start in starts(num_px, 64, stride):
            cells = axis.cells(start, 64)
            assert list(cells) == [c for c in range(axis.num_cells) if start <= axis.centre(c) < start + 64]
            for cell in cells:
                covered[cell] += 1
        assert min(covered) >= 1
    assert axis.centres(range(axis.num_cells)).tolist() == [axis.centre(c) for c in range(axis.num_cells)]


def test_a_weight_is_never_zero_and_largest_in_the_middle():
    weights = hann(np.arange(512), 512)
    assert weights.min() > 0
    np.testing.assert_allclose(weights, weights[::-1])
    np.testing.assert_allclose(weights[:256] + weights[256:], 1)  # half overlap needs no division


def test_places_are_scaled_as_tensorflow_scales_them():
    import tensorflow as tf

    values = np.random.default_rng(0).random((1, 8, 8, 1)).astype(np.float32)
    expected = tf.image.resize(values, (64, 64), "bilinear")[0, ..., 0].numpy()
    np.testing.assert_allclose(enlarging(64, 8) @ values[0, ..., 0] @ enlarging(64, 8).T, expected, atol=1e-6)


@pytest.mark.parametrize(("place", "cell_px"), [((0, 0), 8), ((3, 5), 8), ((36, 136), 8), ((0, 0), 1), ((36, 136), 1)])
def test_a_cell_counts_if_any_of_its_pixels_in_the_window_does(place, cell_px):
    axes = Axis(100, cell_px), Axis(199, cell_px)
    rng = np.random.default_rng(1)
    whole = np.zeros((164, 263), np.uint8)
    whole[:100, :199] = rng.random((100, 199)) < 0.02
    window = whole[place[0] : place[0] + 64, place[1] : place[1] + 64]
    found = valid_cells(window, place, axes, 64)
    rows, columns = (axis.cells(start, 64) for axis, start in zip(axes, place, strict=True))
    expected = [
        [
            window[max(r * cell_px - place[0], 0) : (r + 1) * cell_px - place[0],
                   max(c * cell_px - place[1], 0) : (c + 1) * cell_px - place[1]].any()
            for c in columns
        ]
        for r in rows
    ]  # fmt: skip
    np.testing.assert_array_equal(found, expected)
