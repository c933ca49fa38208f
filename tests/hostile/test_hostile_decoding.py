"""Whoever decodes a mutated tile for a model sees what the model sees in its files, or both refuse it."""

import pytest
from bounded import WITH_TENSORFLOW_MB, run_bounded

pytestmark = pytest.mark.hostile

NUM_KINDS, MOST_SECONDS = 22, 2.0


def test_a_mutated_tile_is_the_same_as_pixels_and_as_files_or_refused_in_both_forms() -> None:
    result = run_bounded("decoding_alike.compare_mutations", 120, 0, megabytes=WITH_TENSORFLOW_MB, seconds=120)

    for outcome, count in result["counts"].items():
        print(f"{count:6,}  {outcome}")
    assert sum(result["counts"].values()) == NUM_KINDS * 121
    assert {outcome.partition(": ")[2] for outcome in result["counts"]} == {
        "refused",
        "the same pixels",
        "the same files",
    }
    assert result["slowest_s"] <= MOST_SECONDS
