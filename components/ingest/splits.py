"""Which split a tile belongs to: the official one where there is one, else by field; never one field in two."""

import collections
from collections.abc import Collection, Sequence

import msgspec

from components.agrivision import SPLITS
from components.contracts import SourceTile
from components.errors import DataError
from components.ingest.keyed_hash import keyed_hash
from components.ingest.pairing import UNDECIDED
from components.ingest.stratify import FieldTiles, stratify


def assign_splits(
    tiles: Sequence[SourceTile], seed: int, val_percent: int, test_percent: int, source_uri: str
) -> tuple[list[SourceTile], str]:
    """Gives every tile a split.

    Args:
      tiles: Each with its official split, or all UNDECIDED.
      val_percent, test_percent: Share of the tiles; of the train tiles where val or test alone is missing.

    Returns:
      The tiles, in the same order, and how the split came about, in a few words.

    Raises:
      DataError: if a field is in two official splits, or there are too few fields for three splits.
    """
    official = {tile.split for tile in tiles}
    if official == {UNDECIDED}:
        split_of = _by_field(tiles, {"test": test_percent, "val": val_percent}, seed, source_uri)
        origin = "by field, balanced by class" if any(_classes_of(tile) for tile in tiles) else "by field"
        return [_moved(tile, split_of[tile.field_id]) for tile in tiles], origin
    _require_whole_fields(tiles, source_uri)
    if "train" not in official:
        raise DataError(
            f"the labelled tiles under {source_uri!r} are all {' and '.join(sorted(official))}; expected train tiles"
        )
    train = [tile for tile in tiles if tile.split == "train"]
    if official == {"train"}:
        split_of = _by_field(train, {"test": test_percent, "val": val_percent}, seed, source_uri)
        origin = "by field, of the official train"
        return [_moved(tile, split_of[tile.field_id]) for tile in tiles], origin
    if "test" not in official:
        # No labels of a test are to be had, so the official val is the only measure that is comparable.
        tiles = [_moved(tile, "test" if tile.split == "val" else tile.split) for tile in tiles]
        origin = "official train and val; val is used as test, and val is taken from train by field"
    elif "val" not in official:
        origin = "official train and test; val is taken from train by field"
    else:
        return list(tiles), "official"
    split_of = _by_field(train, {"val": val_percent}, seed, source_uri)
    return [_moved(tile, split_of[tile.field_id]) if tile.split == "train" else tile for tile in tiles], origin


def _moved(tile: SourceTile, split: str) -> SourceTile:
    return tile if tile.split == split else msgspec.structs.replace(tile, split=split)


def _require_whole_fields(tiles: Collection[SourceTile], source_uri: str) -> None:
    splits: dict[str, set[str]] = collections.defaultdict(set)
    for tile in tiles:
        splits[tile.field_id].add(tile.split)
    if shared := sorted(field_id for field_id, names in splits.items() if len(names) > 1):
        names = " and ".join(sorted(splits[shared[0]], key=SPLITS.index))
        raise DataError(
            f"{len(shared):,} of {len(splits):,} fields under {source_uri!r} have tiles in two splits, "
            f"e.g. {shared[0]} in {names}; tiles of a field overlap, so each field must be in one split"
        )


def _by_field(tiles: Collection[SourceTile], percents: dict[str, int], seed: int, source_uri: str) -> dict[str, str]:
    """Returns the split by field: a share of the tiles for each of `percents`, the rest for train.

    Where the source tells the classes of its tiles before a pixel is read, the fields are shared out so that classes
    are balanced. Else they stand in the order of a keyed hash, and each split is a run of them that comes closest to
    its share: when fields are added, few of the others change their split.

    Raises:
      DataError: if there are fewer fields than splits.
    """
    sizes = collections.Counter(tile.field_id for tile in tiles)
    if len(sizes) <= len(percents):
        splits = ", ".join((*percents, "train"))
        raise DataError(
            f"{len(tiles):,} labelled tiles of {len(sizes):,} fields under {source_uri!r} cannot be split by field "
            f"into {splits}; expected at least {len(percents) + 1} fields"
        )
    if any(_classes_of(tile) for tile in tiles):
        shares = {split: percent / 100 for split, percent in percents.items()}
        return stratify(_field_tiles(tiles), {"train": 1 - sum(shares.values()), **shares}, seed)
    order = sorted(sizes, key=lambda field_id: (keyed_hash("split", seed, field_id), field_id))
    ends = [0]  # ends[n]: tiles of the first n fields
    for field_id in order:
        ends.append(ends[-1] + sizes[field_id])
    split_of = dict.fromkeys(order, "train")
    start = 0
    for number, (split, percent) in enumerate(percents.items()):
        wanted = ends[start] + percent * len(tiles) / 100
        # At least one field for this split, and one for each that is still to come.
        choices = range(start + 1, len(order) - (len(percents) - number) + 1)
        stop = min(choices, key=lambda count: abs(ends[count] - wanted))
        split_of.update(dict.fromkeys(order[start:stop], split))
        start = stop
    return split_of


def _classes_of(tile: SourceTile) -> Collection[str]:
    """Returns the classes that the source gives by tile; none where only its masks tell."""
    return tile.classes or tuple(tile.annotated or ())


def _field_tiles(tiles: Collection[SourceTile]) -> dict[str, FieldTiles]:
    num_tiles = collections.Counter(tile.field_id for tile in tiles)
    by_class: dict[str, collections.Counter[str]] = {field_id: collections.Counter() for field_id in num_tiles}
    for tile in tiles:
        by_class[tile.field_id].update(_classes_of(tile))
    return {field_id: FieldTiles(count, by_class[field_id]) for field_id, count in num_tiles.items()}
