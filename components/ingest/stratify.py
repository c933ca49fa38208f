"""Shares fields out among splits so that every class is in each of them in proportion, as far as whole fields allow."""

import collections
import dataclasses
from collections.abc import Collection, Mapping

from components.ingest.keyed_hash import keyed_hash


@dataclasses.dataclass(frozen=True)
class FieldTiles:
    """The tiles of one field; `by_class` counts those that show the class, and a tile may show several or none."""

    num_tiles: int
    by_class: Mapping[str, int]


def stratify(fields: Mapping[str, FieldTiles], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Returns the split by field.

    Iterative stratification (Sechidis et al., 2011) with fields in place of examples: the rarest class is shared out
    first, as it leaves the least choice, its large fields before its small ones, each to the split that lacks most of
    the class. Sizes come before classes: where each split is due more than the largest field, each comes within one
    such field of its share. No field is in two splits, as each is asked for once.

    Args:
      fields: By name; at least as many as there are splits.
      shares: By split, above 0, together 1.
      seed: Decides between fields that are much alike.
    """
    deal = _Deal(fields, shares, seed)
    while deal.open_classes:
        deal.share_out(min(deal.open_classes.items(), key=lambda item: (item[1], item[0]))[0])
    deal.share_out("")
    deal.fill_empty()
    return deal.split_of


class _Deal:
    """Fields while they are shared out.

    Attributes:
      split_of: What was decided so far.
      open_classes: Tiles of the undecided fields, by class that they have.
      lacking: Tiles that a split is still due; below 0 if it has too many.
    """

    def __init__(self, fields: Mapping[str, FieldTiles], shares: Mapping[str, float], seed: int) -> None:
        self._fields = fields
        self._hashes = {field_id: keyed_hash("split", seed, field_id) for field_id in fields}
        self._of_class: dict[str, list[str]] = collections.defaultdict(list)
        self.split_of: dict[str, str] = {}
        self.open_classes: dict[str, int] = collections.Counter()
        for field_id, field in fields.items():
            for name, count in field.by_class.items():
                self._of_class[name].append(field_id)
                self.open_classes[name] += count
        num_tiles = sum(field.num_tiles for field in fields.values())
        self.lacking = {split: share * num_tiles for split, share in shares.items()}
        self._lacking_of_class = {
            name: {split: share * count for split, share in shares.items()} for name, count in self.open_classes.items()
        }
        self._splits_of_class: dict[str, set[str]] = {name: set() for name in self.open_classes}
        self._open_fields = {name: len(field_ids) for name, field_ids in self._of_class.items()}

    def share_out(self, name: str) -> None:
        """Decides every undecided field that has the class `name`; all that are left, if it is empty."""

        def rank(field_id: str) -> tuple[int, bytes, str]:
            field = self._fields[field_id]
            count = field.by_class[name] if name else field.num_tiles
            return (
                -count.bit_length(),
                self._hashes[field_id],
                field_id,
            )  # by size in steps of two, so that seeds differ

        undecided = [field_id for field_id in self._of_class.get(name, self._fields) if field_id not in self.split_of]
        for field_id in sorted(undecided, key=rank):
            self._decide(field_id, self._best_split(field_id, name))
        self.open_classes.pop(name, None)

    def _best_split(self, field_id: str, name: str) -> str:
        num_tiles = self._fields[field_id].num_tiles
        # At most half a field too many, where any split has that much room. So two of three splits are too large by no
        # more than one field together while the third lacks one, and none is left to lack more.
        splits: Collection[str] = [split for split, lacks in self.lacking.items() if 2 * lacks >= num_tiles]
        if not splits:
            return max(self.lacking, key=lambda split: self.lacking[split])
        if not name:
            return max(splits, key=lambda split: self.lacking[split])
        without = [split for split in splits if split not in self._splits_of_class[name]]
        if without and self._open_fields[name] <= len(without):
            splits = without  # the last chance of a split to have the class at all
        lacks_class = self._lacking_of_class[name]
        return max(splits, key=lambda split: (lacks_class[split], self.lacking[split]))

    def _decide(self, field_id: str, split: str) -> None:
        field = self._fields[field_id]
        self.split_of[field_id] = split
        self.lacking[split] -= field.num_tiles
        for name, count in field.by_class.items():
            self._lacking_of_class[name][split] -= count
            self._splits_of_class[name].add(split)
            self._open_fields[name] -= 1
            if name in self.open_classes:
                self.open_classes[name] -= count

    def fill_empty(self) -> None:
        """Gives every split at least one field, of the split that has the most."""
        for split in self.lacking:
            counts = collections.Counter(self.split_of.values())
            if not counts[split]:
                self._move(source=max(self.lacking, key=lambda other: counts[other]), target=split)

    def _move(self, source: str, target: str) -> None:
        """Moves the field that leaves the classes of both splits the closest to their shares."""

        def cost(field_id: str) -> tuple[float, bytes]:
            field, worse = self._fields[field_id], 0.0
            for name, count in field.by_class.items():
                lacks = self._lacking_of_class[name]
                worse += (
                    abs(lacks[source] + count) - abs(lacks[source]) + abs(lacks[target] - count) - abs(lacks[target])
                )
            return worse / field.num_tiles, self._hashes[field_id]

        field_id = min((name for name, split in self.split_of.items() if split == source), key=cost)
        field = self._fields[field_id]
        self.split_of[field_id] = target
        for lacks, count in [(self.lacking, field.num_tiles)] + [
            (self._lacking_of_class[name], count) for name, count in field.by_class.items()
        ]:
            lacks[source] += count
            lacks[target] -= count
