"""Checks that no two splits of a dataset share a field, overlapping windows of a field or a picture.

Works on any manifest, ours or not, from the records alone, without trusting ingest. Records are streamed and not
decoded; memory holds one small number per field and eight bytes per tile.
"""

import collections
import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.agrivision import SPLITS, TileId, parse_tile_id
from components.contracts import Manifest
from components.dataset.audit.verify import open_manifest
from components.dataset.first_sorted import MAX_LISTED
from components.dataset.list_file import where_all_are
from components.dataset.picture_digests import PictureDigests, is_in, picture_digest
from components.errors import DataError
from components.records.record_file import read_records
from components.records.tile_record import tile_names
from components.words import number_of

_HEADER = ("what", "which", "split", "tile")  # of the list of all leaks

Place: TypeAlias = tuple[str, TileId]  # split, window


@dataclasses.dataclass(frozen=True)
class LeakReport:
    """What was read of a dataset without leaks."""

    dataset_id: str
    num_tiles: int
    num_fields: int
    splits: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"dataset {self.dataset_id}: no leak between {', '.join(self.splits)}: each of {self.num_fields:,} fields "
            f"is in one split, and no picture among {self.num_tiles:,} tiles is in two"
        )


@dataclasses.dataclass(frozen=True)
class _Name:
    """The names in a record; `digest` is that of its picture's bytes."""

    split: str
    tile_id: str
    field_id: str
    digest: bytes

    @property
    def fields(self) -> set[str]:
        """The field that the record names, and the one in the tile's name if that differs."""
        window = window_of(self.tile_id)
        return {self.field_id} if window is None else {self.field_id, window.field_id}


def check_leaks(manifest_uri: str, data_root: str | None = None) -> LeakReport:
    """Reads the names of all tiles from the shards, and refuses a dataset whose splits share anything.

    Args:
      manifest_uri: Local file or `gs://` object, or a folder; see read_manifest.
      data_root: Folder that the shards' paths are relative to; defaults to the one above `datasets/<id>/manifest.json`.

    Raises:
      DataError: if a field, overlapping windows or the same picture are in two splits, naming them; or if a shard
        cannot be read.
    """
    manifest, dataset_id, data_root = open_manifest(manifest_uri, data_root)
    splits = tuple(sorted(manifest.splits, key=lambda split: (*SPLITS, split).index(split)))
    seen: dict[str, int] = collections.defaultdict(int)  # by field: one bit per split
    digests = PictureDigests()
    num_tiles = 0
    for name in _names(manifest, data_root):
        for field_id in name.fields:
            seen[field_id] |= 1 << splits.index(name.split)
        digests.add(name.split, name.digest)
        num_tiles += 1
    shared = sorted(field_id for field_id, bits in seen.items() if bits.bit_count() > 1)
    twice, _, _ = digests.repeats()
    if shared or len(twice):
        raise DataError(_described(manifest, data_root, dataset_id, shared, len(seen), twice))
    return LeakReport(dataset_id, num_tiles, len(seen), splits)


def window_of(tile_id: str) -> TileId | None:
    """Returns the field and window in a tile's name, ignoring folders before it; None if the name has none."""
    try:
        return parse_tile_id(tile_id.rpartition("/")[2])
    except ValueError:
        return None


def overlapping(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    """Returns the pairs of windows of one field that overlap and are in two splits, sorted by left edge."""
    ordered = sorted(places, key=lambda place: (place[1].x1, place[1].y1, str(place[1]), place[0]))
    pairs = []
    for number, (split, window) in enumerate(ordered):
        for other_split, other in ordered[number + 1 :]:
            if other.x1 >= window.x2:
                break  # all that follow start even farther right
            if other_split != split and other.y1 < window.y2 and window.y1 < other.y2:
                pairs.append(((split, window), (other_split, other)))
    return pairs


def _names(manifest: Manifest, data_root: str) -> Iterator[_Name]:
    for split, summary in manifest.splits.items():
        for shard in summary.shards:
            where = f"{split} shard {shard.path!r} under {data_root!r}"
            num_read = 0
            try:
                with storage.local_copy(storage.join(data_root, shard.path)) as local:
                    for serialized in read_records(local):
                        tile_id, field_id, rgb = tile_names(serialized)
                        yield _Name(split, tile_id, field_id, picture_digest(rgb))
                        num_read += 1
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{where} cannot be read after record {num_read:,}; run agrivision verify for details"
                ) from error
            if num_read != shard.num_tiles:
                raise DataError(f"{where} has {num_read:,} records, expected {shard.num_tiles:,}")


def _described(
    manifest: Manifest,
    data_root: str,
    dataset_id: str,
    shared: Sequence[str],
    num_fields: int,
    twice: NDArray[np.uint64],
) -> str:
    """Returns the error message; reads the names again, and keeps those that leak."""
    wanted = set(shared)
    leaking = {digest.tobytes() for digest in twice[:MAX_LISTED]}
    tiles: dict[str, dict[str, str]] = collections.defaultdict(dict)  # by field and split: the first tile by name
    places: dict[str, list[Place]] = collections.defaultdict(list)
    pictures: dict[bytes, dict[str, str]] = collections.defaultdict(dict)  # by digest and split, likewise
    for name in _names(manifest, data_root):
        for field_id in name.fields & wanted:
            tiles[field_id][name.split] = min(name.tile_id, tiles[field_id].get(name.split, name.tile_id))
        if (window := window_of(name.tile_id)) is not None and window.field_id in wanted:
            places[window.field_id].append((name.split, window))
        if name.digest in leaking:
            pictures[name.digest][name.split] = min(name.tile_id, pictures[name.digest].get(name.split, name.tile_id))
    parts = []
    if shared:
        example = tiles[shared[0]]
        parts.append(
            f"{len(shared):,} of {num_fields:,} fields are in two splits, e.g. {shared[0]} in {_both(example)}"
        )
    pairs = [pair for field_id in shared for pair in overlapping(places[field_id])]
    if pairs:
        (split, window), (other_split, other) = pairs[0]
        parts.append(
            f"{number_of(len(pairs), 'pair of windows overlaps', 'pairs of windows overlap')} across splits, "
            f"e.g. {window} ({split}) and {other} ({other_split})"
        )
    if len(twice):
        example = min(pictures.values(), key=_both)
        parts.append(f"{number_of(len(twice), 'picture is', 'pictures are')} in two splits, e.g. {_both(example)}")
    where = where_all_are(data_root, "leaks", _HEADER, _leaking(manifest, data_root, wanted, twice))
    return (
        f"dataset {dataset_id} leaks: {'; '.join(parts)}; scores on such splits are too high, so split the source by "
        f"field and make the dataset again{where}"
    )


def _leaking(
    manifest: Manifest, data_root: str, shared: Container[str], twice: NDArray[np.uint64]
) -> Iterator[tuple[str, str, str, str]]:
    """Yields every tile of a field, and every tile with a picture, that is in two splits; see _HEADER."""
    for name in _names(manifest, data_root):
        for field_id in sorted(name.fields):
            if field_id in shared:
                yield ("field", field_id, name.split, name.tile_id)
        if is_in(np.frombuffer(name.digest, np.uint64), twice)[0]:
            yield ("picture", f"{int.from_bytes(name.digest, 'little'):016x}", name.split, name.tile_id)


def _both(tile_by_split: Mapping[str, str]) -> str:
    return " and ".join(f"{split} ({tile_id})" for split, tile_id in sorted(tile_by_split.items()))
