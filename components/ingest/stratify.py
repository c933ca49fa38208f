"""Divides fields among splits so that each split has its share of every class, as far as whole fields allow."""

import collections
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

_OPEN = 255  # in `split_of`: the field's split is undecided


class FieldCounts:
    """Counts of fields, in about 50 bytes each: a release of ten million tiles has 360,000 fields.

    Attributes:
      num_tiles: Number of tiles by field.
      hashes: Hash by field; decides between similar fields.
    """

    def __init__(self) -> None:
        self.num_tiles = array("Q")
        self.hashes = array("Q")
        self._ends = array("Q", [0])
        self._classes = array("Q")  # alternates between the number of a class and its tiles

    def __len__(self) -> int:
        return len(self.num_tiles)

    def add(self, num_tiles: int, fate: int, by_class: Iterable[int]) -> None:
        """Adds a field.

        Args:
          fate: Its hash, below 2^63.
          by_class: Numbers of classes, each followed by the tiles that show it; a tile may show several or none.
        """
        self.num_tiles.append(num_tiles)
        self.hashes.append(fate)
        self._classes.extend(by_class)
        self._ends.append(len(self._classes))

    def by_class(self, field: int) -> Iterator[tuple[int, int]]:
        """Yields the number of each class of a field, and the count of tiles that show it."""
        values = self._classes[self._ends[field] : self._ends[field + 1]]
        return zip(values[::2], values[1::2], strict=True)

    def count_of(self, field: int, class_number: int) -> int:
        """Returns how many tiles of a field show a class."""
        return next((count for number, count in self.by_class(field) if number == class_number), 0)


def stratify(fields: FieldCounts, shares: Mapping[str, float], class_names: Sequence[str]) -> bytearray:
    """Returns the split of each field, as an index into `shares`.

    Iterative stratification (Sechidis et al., 2011) with fields in place of examples. The rarest class is divided
    first, because it leaves the least choice: its large fields before its small ones, each to the split that lacks most
    of the class. Sizes take precedence over classes: if each split is due more than the largest field, each ends within
    one such field of its share. No field is in two splits, because each is assigned once.

    Args:
      shares: By split, above 0, with sum 1.
      class_names: By number of the class; decide between equally rare classes.
    """
    deal = _Deal(fields, list(shares.values()))
    while deal.open_classes:
        deal.share_out(min(deal.open_classes.items(), key=lambda item: (item[1], class_names[item[0]]))[0])
    deal.share_out(None)
    deal.fill_empty()
    return deal.split_of


class _Deal:
    """Fields while they are being divided; splits and classes are numbers.

    Attributes:
      split_of: The split of each field, or _OPEN.
      open_classes: Tiles of the undecided fields, by class.
      lacking: By split, the tiles that it is still due; below 0 if it has too many.
    """

    def __init__(self, fields: FieldCounts, shares: Sequence[float]) -> None:
        self._fields = fields
        self._of_class: dict[int, array[int]] = collections.defaultdict(lambda: array("Q"))
        self.split_of = bytearray([_OPEN]) * len(fields)
        self.open_classes: collections.Counter[int] = collections.Counter()
        for field in range(len(fields)):
            for number, count in fields.by_class(field):
                self._of_class[number].append(field)
                self.open_classes[number] += count
        num_tiles = sum(fields.num_tiles)
        self.lacking = [share * num_tiles for share in shares]
        self._lacking_of_class = {
            number: [share * count for share in shares] for number, count in self.open_classes.items()
        }
        self._splits_of_class: dict[int, set[int]] = {number: set() for number in self.open_classes}
        self._open_fields = {number: len(members) for number, members in self._of_class.items()}

    def share_out(self, class_number: int | None) -> None:
        """Decides every undecided field that has the class, or all that are left if it is None."""
        fields, hashes = self._fields, self._fields.hashes
        members: Sequence[int] = range(len(fields)) if class_number is None else self._of_class[class_number]

        def rank(field: int) -> int:
            count = fields.num_tiles[field] if class_number is None else fields.count_of(field, class_number)
            return hashes[field] - (count.bit_length() << 64)  # sizes by powers of two, so that seeds differ

        for field in sorted((field for field in members if self.split_of[field] == _OPEN), key=rank):
            self._decide(field, self._best_split(field, class_number))
        if class_number is not None:
            del self.open_classes[class_number]

    def _best_split(self, field: int, class_number: int | None) -> int:
        num_tiles, lacking = self._fields.num_tiles[field], self.lacking
        # Allow at most half a field too many if any split has that much room. Then two of three splits exceed their
        # shares by at most one field together while the third lacks one, and no split lacks more.
        splits = [split for split, lacks in enumerate(lacking) if 2 * lacks >= num_tiles]
        if not splits:
            return max(range(len(lacking)), key=lacking.__getitem__)
        if class_number is None:
            return max(splits, key=lacking.__getitem__)
        without = [split for split in splits if split not in self._splits_of_class[class_number]]
        if without and self._open_fields[class_number] <= len(without):
            splits = without  # the last chance for a split to get the class at all
        lacks_class = self._lacking_of_class[class_number]
        return max(splits, key=lambda split: (lacks_class[split], lacking[split]))

    def _decide(self, field: int, split: int) -> None:
        self.split_of[field] = split
        self.lacking[split] -= self._fields.num_tiles[field]
        for number, count in self._fields.by_class(field):
            self._lacking_of_class[number][split] -= count
            self._splits_of_class[number].add(split)
            self._open_fields[number] -= 1
            if number in self.open_classes:
                self.open_classes[number] -= count

    def fill_empty(self) -> None:
        """Gives each empty split a field of the split that has the most, as long as there are enough fields."""
        for split in range(len(self.lacking)):
            counts = [self.split_of.count(other) for other in range(len(self.lacking))]
            source = max(range(len(counts)), key=counts.__getitem__)
            if not counts[split] and counts[source] > 1:
                self._move(source, target=split)

    def _move(self, source: int, target: int) -> None:
        """Moves the field that leaves the classes of both splits closest to their shares."""

        def cost(field: int) -> tuple[float, int]:
            worse = 0.0
            for number, count in self._fields.by_class(field):
                lacks = self._lacking_of_class[number]
                worse += (
                    abs(lacks[source] + count) - abs(lacks[source]) + abs(lacks[target] - count) - abs(lacks[target])
                )
            return worse / self._fields.num_tiles[field], self._fields.hashes[field]

        moved = min((field for field, split in enumerate(self.split_of) if split == source), key=cost)
        self.split_of[moved] = target
        for lacks, count in [(self.lacking, self._fields.num_tiles[moved])] + [
            (self._lacking_of_class[number], count) for number, count in self._fields.by_class(moved)
        ]:
            lacks[source] += count
            lacks[target] -= count
