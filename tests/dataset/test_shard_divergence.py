"""How far two samples are apart, by hand-made numbers and published examples; and as rarely by chance as promised."""

import numpy as np
import pytest

from components.dataset.drift.distances import holm, jensen_shannon, ratio_test, stability_index, wasserstein


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Two draws of one population, a hundred times, with a class that whole fields have or lack."""
    draw = np.random.default_rng(5)
    sizes = draw.integers(1, 40, (100, 2, 30)).astype(float)  # fields of very different sizes
    counts = sizes * (draw.random((100, 2, 30)) < 0.3)
    p_values = np.array([ratio_test(c[0], s[0], c[1], s[1]) for c, s in zip(counts, sizes, strict=True)])
    assert (p_values < 0.05).sum() <= 9  # 5 expected
    assert (p_values < 0.5).sum() >= 35  # 50 expected: the test is not blind either


@pytest.mark.parametrize(
    ("counts", "earlier", "low", "high"),
    [
        ([2] * 20, [2] * 20, 1.0, 1.0),
        ([0] * 20, [0] * 20, 1.0, 1.0),  # nothing to differ in
        ([9, 1] * 10, [1, 9] * 10, 1.0, 1.0),  # equal in sum
        ([10] * 20, [0] * 20, 0.0, 1e-6),
        ([10, 0] * 10, [0] * 20, 1e-4, 1e-3),
        ([10, 0, 0, 0], [0] * 4, 0.2, 0.4),  # one field of four
    ],
)
def test_the_fields_are_the_witnesses(counts: list[int], earlier: list[int], low: float, high: float) -> None:
    sizes = [np.full(len(values), 10.0) for values in (counts, earlier)]
    assert low <= ratio_test(np.array(counts, float), sizes[0], np.array(earlier, float), sizes[1]) <= high


def test_p_values_are_adjusted_for_their_number() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})  # Holm's own example
    assert holm({"a": 0.7, "b": 0.6}) == {"b": 1.0, "a": 1.0}


@pytest.mark.parametrize(
    ("share", "earlier", "index"),
    [
        (0.3, 0.3, 0.0),
        (0.31, 0.12, 0.2265),
        (0.12, 0.31, 0.2265),
        (0.0, 0.5, 7.25),  # half a tile instead of none, so that it is finite
    ],
)
def test_the_stability_index(share: float, earlier: float, index: float) -> None:
    assert stability_index(share, earlier, 10**6, 10**6) == pytest.approx(index, rel=2e-2, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "earlier", "distance"),
    [
        ([0, 255], [0, 255], 0.0),
        ([255], [0], 1.0),
        ([51], [102], 0.2),
        ([0, 255], [128, 127], 127 / 255),
        ([0, 51, 51, 51, 51], [51], 0.04),
    ],
)
def test_the_distance_is_how_far_pixels_move(values: list[int], earlier: list[int], distance: float) -> None:
    histograms = [np.bincount(each, minlength=256).tolist() for each in (values, earlier)]
    assert wasserstein(*histograms) == pytest.approx(distance, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "earlier", "distance"),
    [
        ([1, 2, 3], [10, 20, 30], 0.0),
        ([1, 0], [0, 7], 1.0),
        ([1, 1], [1, 0], 0.5579),  # 0.3113 bits
        ([1, 0, 1], [0, 1, 1], 0.5**0.5),
    ],
)
def test_the_jensen_shannon_distance(counts: list[int], earlier: list[int], distance: float) -> None:
    assert jensen_shannon(counts, earlier) == pytest.approx(distance, abs=1e-4)
    assert jensen_shannon(earlier, counts) == jensen_shannon(counts, earlier)
