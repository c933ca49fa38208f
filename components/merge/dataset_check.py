"""Checks whether a merged dataset is fit for training: what stops the run, and what only deserves a warning."""

from components.contracts import Manifest
from components.dataset.dataset_sums import DatasetSums
from components.dataset.first_sorted import Rejections
from components.errors import DataError


def require_few_rejected(rejections: Rejections, num_tiles: int, limit: float) -> None:
    """Refuses a source with too many bad tiles.

    Raises:
      DataError: if more than the share `limit` of the tiles is bad.
    """
    if len(rejections) <= limit * num_tiles:
        return
    most = sorted(rejections.reasons(), key=lambda reason: (-reason.num_tiles, reason.examples[0]))[:3]
    reasons = "; ".join(f"{reason.num_tiles:,} x {reason.text} (e.g. {reason.examples[0]})" for reason in most)
    raise DataError(
        f"{len(rejections):,} of {num_tiles:,} tiles are bad, {len(rejections) / num_tiles:.1%}, "
        f"more than ingest_max_bad_fraction={limit:g} allows: {reasons}"
    )


def find_warnings(manifest: Manifest, sums: DatasetSums) -> list[str]:
    """Returns warnings to read before training, one line each; none of them makes the dataset unusable."""
    found = []
    for split, summary in manifest.splits.items():
        names = [n for n, count in zip(manifest.classes, summary.class_tiles, strict=True) if not count]
        if names:
            consequence = "cannot be learned" if split == "train" else f"cannot be judged on {split}"
            found.append(f"no {split} tile has {', '.join(names)}: {consequence}")
    if shared := sums.fields.in_two_splits():
        found.append(f"{len(shared):,} fields have tiles in two splits (e.g. {shared[0]}): this inflates scores")
    return found
