"""Assigns each field to a split: the official one if there is one, else by field; never one field to two splits."""

import collections
from array import array
from collections.abc import Mapping
from fractions import Fraction

from components.agrivision import SPLITS
from components.dataset.list_file import where_all_are
from components.errors import DataError
from components.ingest.pairing import UNDECIDED
from components.ingest.quotas import quotas
from components.ingest.stratify import FieldCounts, stratify
from components.ingest.tile_table import TileTable

_TRAIN, _VAL, _TEST = (SPLITS.index(split) for split in ("train", "val", "test"))
# Selects the fields that are still to be divided: those in no official split, or in train.
OPEN_FIELDS = f"split <= {_TRAIN}"


def is_official(table: TileTable) -> bool:
    """Returns whether the source states the whole split, so that nothing is left to be divided."""
    return table.splits >= {*SPLITS}


def assign_splits(
    table: TileTable, val_percent: int, test_percent: int, source_uri: str, data_root: str = ""
) -> tuple[bytearray, str]:
    """Gives every field a split.

    Args:
      table: Tiles with their official split, or all UNDECIDED.
      val_percent, test_percent: Share of all tiles; of the train tiles if only val or only test is missing.
      data_root: Where a refusal lists all fields that are in two splits; empty for nowhere.

    Returns:
      The split of each field, as an index into SPLITS, and how the splits were made, in a few words.

    Raises:
      DataError: if a field is in two official splits, or there are too few fields for three splits.
    """
    _require_whole_fields(table, source_uri, data_root)
    split_of, origin = _assigned(table, val_percent, test_percent, source_uri)
    rows = table.database.execute("SELECT number, root FROM joined")
    for number, root in rows:
        split_of[number] = _TRAIN if root is None else split_of[root]  # a field without a root has no tile left
    return split_of, f"{origin}; copies of a picture in one split" if table.num_joined else origin


def _assigned(table: TileTable, val_percent: int, test_percent: int, source_uri: str) -> tuple[bytearray, str]:
    """Returns the splits of the fields that are not joined to others, and how they were made."""
    if table.splits == {UNDECIDED}:
        split_of = bytearray(table.num_fields)
        _by_field(table, split_of, {_TEST: test_percent, _VAL: val_percent}, source_uri)
        return split_of, "by field, balanced by class" if table.has_classes else "by field"
    if "train" not in table.splits:
        there = " and ".join(sorted(table.splits))
        raise DataError(f"the labelled tiles under {source_uri!r} are all in {there}; expected train tiles")
    split_of = bytearray(split for (split,) in table.database.execute("SELECT split FROM fields ORDER BY number"))
    if table.splits == {"train"}:
        _by_field(table, split_of, {_TEST: test_percent, _VAL: val_percent}, source_uri)
        return split_of, "by field, of the official train"
    if "test" not in table.splits:
        # The official test labels are not available, so the official val is the only comparable measure.
        split_of = split_of.replace(bytes([_VAL]), bytes([_TEST]))
        origin = "official train and val; val is used as test, and val is taken from train by field"
    elif "val" not in table.splits:
        origin = "official train and test; val is taken from train by field"
    else:
        return split_of, "official"
    _by_field(table, split_of, {_VAL: val_percent}, source_uri)
    return split_of, origin


def _require_whole_fields(table: TileTable, source_uri: str, data_root: str) -> None:
    if table.num_mixed:
        field_id, splits = table.mixed
        rows = ((tile.field_id, tile.tile_id, tile.rgb.path) for tile in table.tiles_of_mixed_fields())
        where = where_all_are(data_root, "divided-fields", ("field", "tile", "file"), rows)
        raise DataError(
            f"{table.num_mixed:,} of {table.num_fields:,} fields under {source_uri!r} have tiles in two splits, "
            f"e.g. {field_id} in {' and '.join(splits)}; tiles of a field overlap, so each field must be in one split"
            f"{where if table.num_mixed > 1 else ''}"
        )


def _by_field(table: TileTable, split_of: bytearray, percents: Mapping[int, int], source_uri: str) -> None:
    """Divides the fields of train, or of no split: each of `percents` gets its part of the tiles, train the rest.

    If the source gives the classes of its tiles before a pixel is read, fields are divided so that classes are
    balanced. Otherwise they are sorted by a keyed hash, and each split is the run of fields that comes closest to its
    share: when fields are added, few of the others change their split.

    Raises:
      DataError: if there are fewer fields than splits.
    """
    total = "SELECT COUNT(*), TOTAL(num_tiles), COUNT(single_class) + TOTAL(LENGTH(classes)) FROM fields WHERE "
    num_fields, num_tiles, has_classes = table.database.execute(total + OPEN_FIELDS).fetchone()
    if num_fields <= len(percents):
        splits = ", ".join((*(SPLITS[split] for split in percents), "train"))
        raise DataError(
            f"{int(num_tiles):,} labelled tiles of {num_fields:,} fields under {source_uri!r} cannot be split by field "
            f"into {splits}; expected at least {len(percents) + 1} fields{_joined(table)}"
        )
    if has_classes:
        _balanced(table, split_of, {_TRAIN: 100 - sum(percents.values()), **percents})
        return
    rows = table.database.execute(f"SELECT number, num_tiles FROM fields WHERE {OPEN_FIELDS} ORDER BY hash, number")
    order, ends = array("Q"), array("Q", [0])  # ends[n]: tiles of the first n fields
    for number, count in rows:
        order.append(number)
        ends.append(ends[-1] + count)
        split_of[number] = _TRAIN
    start = 0
    for number, (split, percent) in enumerate(percents.items()):
        wanted = ends[start] + percent * num_tiles / 100
        # At least one field for this split, and one for each split still to come.
        choices = range(start + 1, len(order) - (len(percents) - number) + 1)
        stop = min(choices, key=lambda count: abs(ends[count] - wanted))
        for field in order[start:stop]:
            split_of[field] = split
        start = stop


def _joined(table: TileTable) -> str:
    return ", where those that share a picture count as one" if table.num_joined else ""


def _balanced(table: TileTable, split_of: bytearray, percents: Mapping[int, int]) -> None:
    """Divides fields by class: first the larger fields, as a whole, then single tiles to even out the rest."""
    splits = list(percents)
    larger, fields = array("Q"), FieldCounts()
    rows = table.database.execute(
        "SELECT number, num_tiles, hash, classes FROM fields "
        f"WHERE {OPEN_FIELDS} AND single_class IS NULL ORDER BY number"
    )
    for number, num_tiles, fate, classes in rows:
        larger.append(number)
        fields.add(num_tiles, fate, array("Q", classes))
    shares = {SPLITS[split]: percent / 100 for split, percent in percents.items()}
    choice = stratify(fields, shares, table.class_names)
    decided: dict[str, list[int]] = collections.defaultdict(lambda: [0] * len(splits))
    for field, (number, index) in enumerate(zip(larger, choice, strict=True)):
        split_of[number] = splits[index]
        for class_number, count in fields.by_class(field):
            decided[table.class_names[class_number]][index] += count
    singles = f"FROM fields WHERE {OPEN_FIELDS} AND single_class IS NOT NULL"
    counts = table.database.execute(f"SELECT single_class, COUNT(*) {singles} GROUP BY single_class").fetchall()
    wanted = quotas(
        {table.class_names[number]: count for number, count in counts},
        decided,
        [Fraction(percent, 100) for percent in percents.values()],
        [index in choice for index in range(len(splits))],
    )
    rows = table.database.execute(f"SELECT number, single_class {singles} ORDER BY single_class, hash, number")
    current, rank, ends = -1, 0, [0]
    for number, class_number in rows:
        if class_number != current:
            current, rank = class_number, 0
            counts_of = wanted[table.class_names[class_number]]
            # Train comes last, so that few images move between the other splits when a source grows.
            ends = [sum(counts_of[1 : index + 1]) for index in range(1, len(splits))]
        index = next((index for index, end in enumerate(ends, start=1) if rank < end), 0)
        split_of[number] = splits[index]
        rank += 1
