"""Many mutations come to nothing: no traceback, no changed content that passes for the original, little memory.

13,300 are images, 1,600 records, and 1,000 names; the 1,800 documents are in
tests/shared/test_damage_documents.py.
"""

from typing import Any

import pytest
from bounded import WITH_TENSORFLOW_MB, run_bounded

pytestmark = pytest.mark.hostile

MOST_SECONDS, MOST_MB = 2.0, 600


def require_cheap(result: dict[str, Any]) -> int:
    """Returns the number of mutations, after a look at what they took."""
    for outcome, count in result["counts"].items():
        print(f"{count:6,}  {outcome}")
    print(f"slowest {result['slowest_s']:.3f} s, at most {result['peak_mb']:.0f} MB")
    assert result["slowest_s"] <= MOST_SECONDS
    assert result["peak_mb"] <= MOST_MB
    return sum(result["counts"].values())


def test_no_mutated_image_passes_for_the_original() -> None:
    result = run_bounded("hostile_mutations.mutate_images", 700, 0)
    assert require_cheap(result) == 13_300
    others = [name for name in result["counts"] if "mask" in name and "accident: read as another" in name]
    assert not [name for name in others if "TIFF" not in name], "only a TIFF has no checksum"


def test_no_mutated_record_passes_for_the_original() -> None:
    assert require_cheap(run_bounded("hostile_mutations.mutate_records", 800, 0)) == 1_600


def test_hostile_names_are_listed_as_they_are_or_refused() -> None:
    result = run_bounded("hostile_texts.mutate_names", 1_000, 0)
    require_cheap(result)
    assert result["num_names"] >= 1_000


def test_what_the_shard_step_accepts_the_exported_model_sees_alike() -> None:
    result = run_bounded("hostile_mutations.mutate_images", 60, 1, True, megabytes=WITH_TENSORFLOW_MB)
    for outcome, count in result["counts"].items():
        print(f"{count:6,}  {outcome}")
    assert result["slowest_s"] <= MOST_SECONDS
