"""Plans the fields of a look-alike dataset, and the patterns that each field shows.

The plan decides everything that concerns the dataset as a whole (splits, class balance, names), so
that each field can then be drawn on its own, in any process and in any order.
"""

import dataclasses

import numpy as np

from components.agrivision import (
    CHALLENGE_2020,
    CHALLENGE_2020_CLASSES,
    CLASS_FOLDERS,
    PAPER_2020,
    PAPER_2020_CLASS_COUNTS,
    PAPER_2020_CLASSES,
    SUPERVISED_2021,
)

BACKGROUND = "background"  # a tile without any class; only the challenge releases have them
IMBALANCES = ("mild", "real")
YEARS = (2017, 2018, 2019)

# The folders of each layout. storm_damage is a folder of the 2021 release, though it is not scored there.
LAYOUT_CLASSES = {
    PAPER_2020: PAPER_2020_CLASSES,
    CHALLENGE_2020: CHALLENGE_2020_CLASSES,
    SUPERVISED_2021: PAPER_2020_CLASSES,
    CLASS_FOLDERS: PAPER_2020_CLASSES,
}
# Layouts whose releases hold tiles without any class, and withhold the labels of the test split.
CHALLENGE_LAYOUTS = (CHALLENGE_2020, SUPERVISED_2021)

_SPLIT_WEIGHTS = {"train": 6.0, "val": 2.0, "test": 2.0}  # as in the paper release
_BACKGROUND_SHARE = 0.2  # of the tiles, where a layout has background
_TILES_PER_FIELD = 7
# (most patterns per field, windows per pattern); a tile of a class folder shows only one class, so its
# field has only one pattern.
_PATTERNS = (3, 3.5)
_PATTERNS_OF_CLASS_FOLDERS = (1, 6.0)
_MILD_EXPONENT = 0.1  # turns 55 : 1 into 1.5 : 1
_FIELD_ID_CHARACTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
_FIELD_ID_LENGTH = 9


@dataclasses.dataclass(frozen=True)
class FieldPlan:
    """One field to draw.

    Attributes:
      index: The field's place in the dataset; seeds its random numbers.
      field_id: Its name, as in the tiles' names.
      split: The split that all its tiles belong to.
      year: The year of its flight; the paper release has a folder per year.
      demands: Per pattern, its class (or BACKGROUND) and how many windows must show it.
    """

    index: int
    field_id: str
    split: str
    year: int
    demands: tuple[tuple[str, int], ...]

    @property
    def num_tiles(self) -> int:
        """The number of tiles to cut from the field."""
        return sum(count for _, count in self.demands)


def plan_fields(layout: str, num_tiles: int, seed: int, imbalance: str) -> list[FieldPlan]:
    """Returns the fields of a dataset of `num_tiles` tiles, split by field about 6 : 2 : 2."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    weights = _class_weights(layout, imbalance)
    max_patterns, tiles_per_pattern = _PATTERNS_OF_CLASS_FOLDERS if layout == CLASS_FOLDERS else _PATTERNS
    plans: list[FieldPlan] = []
    used_ids: set[str] = set()
    for split, num_split_tiles in _allocate(_SPLIT_WEIGHTS, num_tiles).items():
        patterns = _patterns(weights, num_split_tiles, tiles_per_pattern)
        num_fields = max(-(-num_split_tiles // _TILES_PER_FIELD), -(-len(patterns) // max_patterns))
        for number, demands in enumerate(_deal(patterns, num_fields, rng)):
            field_id = _new_field_id(rng, used_ids)
            plans.append(FieldPlan(len(plans), field_id, split, YEARS[number % len(YEARS)], demands))
    return plans


def _class_weights(layout: str, imbalance: str) -> dict[str, float]:
    """Returns the share of tiles of each class, up to a factor."""
    exponent = 1.0 if imbalance == "real" else _MILD_EXPONENT
    # Counts are published for the paper release's classes only. standing_water is water by another
    # name, and cloud_shadow, about as rare in the challenge, is given the same count.
    water = PAPER_2020_CLASS_COUNTS["water"]
    weights = {name: PAPER_2020_CLASS_COUNTS.get(name, water) ** exponent for name in LAYOUT_CLASSES[layout]}
    if layout in CHALLENGE_LAYOUTS:
        weights[BACKGROUND] = sum(weights.values()) * _BACKGROUND_SHARE / (1.0 - _BACKGROUND_SHARE)
    return weights


def _allocate(weights: dict[str, float], total: int) -> dict[str, int]:
    """Splits `total` in proportion to `weights` by largest remainder; each gets at least 1 if there is enough."""
    least = 1 if total >= len(weights) else 0
    exact = {name: weight * total / sum(weights.values()) for name, weight in weights.items()}
    counts = {name: max(least, int(value)) for name, value in exact.items()}
    while sum(counts.values()) < total:
        counts[max(counts, key=lambda name: exact[name] - counts[name])] += 1
    while sum(counts.values()) > total:
        spare = [name for name in counts if counts[name] > least]
        counts[max(spare, key=lambda name: counts[name] - exact[name])] -= 1
    return counts


def _patterns(weights: dict[str, float], num_tiles: int, tiles_per_pattern: float) -> list[tuple[str, int]]:
    """Divides the tiles of a split into (class, number of windows), one entry per pattern of a field."""
    patterns = []
    for name, quota in _allocate(weights, num_tiles).items():
        num_patterns = min(quota, max(1, round(quota / tiles_per_pattern)))
        patterns += [(name, (quota + number) // num_patterns) for number in range(num_patterns)]
    return patterns


def _deal(
    patterns: list[tuple[str, int]], num_fields: int, rng: np.random.Generator
) -> list[tuple[tuple[str, int], ...]]:
    """Deals patterns to fields like cards, so that no field gets one class twice while others have none."""
    num_fields = min(num_fields, len(patterns))
    # Classes are shuffled, so that different classes meet in a field in each split or dataset.
    names = sorted({name for name, _ in patterns})
    place = {names[old]: new for new, old in enumerate(rng.permutation(len(names)))}
    hands: list[list[tuple[str, int]]] = [[] for _ in range(num_fields)]
    for number, pattern in enumerate(sorted(patterns, key=lambda pattern: place[pattern[0]])):
        hands[number % num_fields].append(pattern)
    return [tuple(hands[number]) for number in rng.permutation(num_fields)]


def _new_field_id(rng: np.random.Generator, used_ids: set[str]) -> str:
    while True:
        field_id = "".join(rng.choice(_FIELD_ID_CHARACTERS, _FIELD_ID_LENGTH))
        if field_id not in used_ids:
            used_ids.add(field_id)
            return field_id
