import numpy as np
import pytest

from components.shard.statistics import mean_and_std


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ([0, 0, 0], 0.0, 0.0),
        ([255], 1.0, 0.0),
        ([0, 255], 0.5, 0.5),
        ([51, 102], 0.3, 0.1),
    ],
)
def test_mean_and_std_follow_from_the_counts(values: list[int], mean: float, std: float) -> None:
    histogram = np.bincount(values, minlength=256).tolist()
    assert mean_and_std(histogram) == (pytest.approx(mean), pytest.approx(std))


def test_a_full_release_of_one_bright_band_does_not_lose_its_spread() -> None:
    """95,000 tiles of 512 px: the squares sum up to 1.6e15, beyond what float32 and naive sums keep apart."""
    histogram = [0] * 256
    histogram[254], histogram[255] = 24_903_680_000 - 1, 1
    _, std = mean_and_std(histogram)
    assert std == pytest.approx((1 / 24_903_680_000) ** 0.5 / 255, rel=1e-6)
