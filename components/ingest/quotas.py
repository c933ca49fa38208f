"""Decides how many of a class's images each split gets, where every image is its own field.

Nothing then ties images together: an image's class and its rank among the hashes of that class determine its split. So
even ten million images need only one number in memory per class and split.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

Counts = Sequence[int]  # by split


def quotas(
    num_images: Mapping[str, int], decided: Mapping[str, Counts], shares: Sequence[Fraction], has_fields: Sequence[bool]
) -> dict[str, list[int]]:
    """Returns how many images of each class each split gets.

    Each class is divided by the shares, counting its images in larger fields. The next class makes up for rounding, so
    that the splits as a whole are within one image of their shares. A class with an image for every split is in each of
    them, and no split stays empty.

    Args:
      num_images: By class, the images that are their own field.
      decided: By class, the tiles of larger fields by split; a class without any may be missing.
      shares: By split, above 0, with sum 1.
      has_fields: By split, whether it has a larger field.
    """
    owed = [Fraction(0) for _ in shares]
    found: dict[str, list[int]] = {}
    for name in sorted(num_images, key=lambda name: (num_images[name], name)):
        there = decided.get(name, [0] * len(shares))
        due = _due(num_images[name], there, shares)
        counts = _rounded([part + rest for part, rest in zip(due, owed, strict=True)], num_images[name])
        if num_images[name] >= len(shares):
            _fill(counts, there)
        owed = [rest + part - count for rest, part, count in zip(owed, due, counts, strict=True)]
        found[name] = counts
    for split in range(len(shares)):
        if not has_fields[split] and not any(counts[split] for counts in found.values()):
            _give(found, split, has_fields)
    return found


def _due(num_images: int, decided: Counts, shares: Sequence[Fraction]) -> list[Fraction]:
    """Returns each split's part of the images, not rounded; the parts add up to `num_images`."""
    total = num_images + sum(decided)
    lacking = [max(Fraction(0), share * total - there) for share, there in zip(shares, decided, strict=True)]
    return [num_images * part / sum(lacking) for part in lacking]  # some splits may already have more than their share


def _rounded(parts: Sequence[Fraction], total: int) -> list[int]:
    """Returns the whole, non-negative numbers closest to `parts` that add up to `total`."""
    counts = [max(0, int(part)) for part in parts]
    while (missing := total - sum(counts)) != 0:
        step = 1 if missing > 0 else -1
        choices = [split for split, count in enumerate(counts) if count + step >= 0]
        counts[max(choices, key=lambda split: step * (parts[split] - counts[split]))] += step
    return counts


def _fill(counts: list[int], there: Counts) -> None:
    """Gives each split that has no image and no tile `there` one image of the split that has the most."""
    for split in range(len(counts)):
        if not counts[split] + there[split]:
            counts[max(range(len(counts)), key=counts.__getitem__)] -= 1
            counts[split] += 1


def _give(found: Mapping[str, list[int]], split: int, has_fields: Sequence[bool]) -> None:
    """Gives an empty split one image of the split that can best spare it."""
    totals = [sum(counts[other] for counts in found.values()) for other in range(len(has_fields))]
    source = max((other for other, total in enumerate(totals) if total), key=lambda o: totals[o] + has_fields[o])
    counts = max(found.values(), key=lambda counts: counts[source])
    counts[source] -= 1
    counts[split] += 1
