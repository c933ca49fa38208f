"""Finds the lines that ingest wrote of the tiles of an earlier dataset, and reads them."""

import dataclasses
import functools
import itertools
import operator
import re
from collections.abc import Iterator

from components import storage
from components.contracts import Manifest, ShardReceipt
from components.dataset.receipts import receipt_uri
from components.errors import DataError
from components.ingest.partition_files import INVENTORIES_FOLDER
from components.source_digest import SourceDigest

_FOLDER = re.compile(r"(?P<start>[0-9a-f]{16})-[0-9a-f]{8}")
_FILE = re.compile(r"partition-[0-9]+\.jsonl")
# The place of a tile in its shards, which is no part of what it is. Quotes inside JSON text are escaped.
_PLACE = re.compile(rb'"shard":([0-9]+),"split":"([a-z]*)",')
_NO_PLACE = b'"shard":0,"split":"",'


@dataclasses.dataclass(frozen=True)
class TileLines:
    """The lines of one inventory.

    Attributes:
      folder: Its folder under data_root.
      fingerprint_start: The first 16 hexadecimal digits of the fingerprint of its source.
      paths: Its files under data_root, in order.
      written_at: When the last of them was written, as the storage counts time; the later, the larger.
    """

    folder: str
    fingerprint_start: str
    paths: tuple[str, ...]
    written_at: int

    def lines(self, data_root: str) -> Iterator[bytes]:
        """Yields the lines, a tile each, in the order of the shards.

        Raises:
          DataError: if a file was removed meanwhile.
        """
        for path in self.paths:
            uri = storage.join(data_root, path)
            try:
                with storage.local_copy(uri) as local, local.open("rb") as file:
                    yield from (line.rstrip(b"\n") for line in file)
            except FileNotFoundError as error:
                raise DataError(f"{uri!r} was removed while it was read; run it again") from error


def all_tile_lines(data_root: str) -> list[TileLines]:
    """Returns all inventories under data_root, the latest first."""
    found: dict[str, list[tuple[str, int]]] = {}
    try:
        for file in storage.list_files(storage.join(data_root, INVENTORIES_FOLDER)):
            folder, _, name = file.path.rpartition("/")
            if _FOLDER.fullmatch(folder) and _FILE.fullmatch(name):
                found.setdefault(folder, []).append((f"{INVENTORIES_FOLDER}/{file.path}", int(file.version)))
    except storage.NoSuchFolder:
        return []  # there is no such folder yet
    inventories = [
        TileLines(
            f"{INVENTORIES_FOLDER}/{folder}",
            folder[:16],
            tuple(sorted(path for path, _ in files)),
            max(version for _, version in files),
        )
        for folder, files in found.items()
    ]
    return sorted(inventories, key=lambda each: (-each.written_at, each.folder))


def tile_lines_of(data_root: str, manifest: Manifest, max_16_bit: int, likely: str) -> TileLines | None:
    """Returns the lines that a dataset was made of; None if they are no longer there.

    A manifest does not say where its tiles came from. But each of its shards has a receipt, named by a digest of the
    lines of its tiles.

    Args:
      max_16_bit: The setting, in case the dataset has no image of 16 bits and does not say.
      likely: The start of a fingerprint; what has it is tried first.
    """
    inventories = all_tile_lines(data_root)
    inventories.sort(key=lambda each: not likely.startswith(each.fingerprint_start))  # stable
    options = [manifest.max_16_bit] if isinstance(manifest.max_16_bit, int) else [65_535, max_16_bit]
    return next(
        (
            each
            for each in inventories
            if any(_became(data_root, each, manifest, option) for option in dict.fromkeys(options))
        ),
        None,
    )


def _became(data_root: str, inventory: TileLines, manifest: Manifest, max_16_bit: int) -> bool:
    """Tells whether the lines became this dataset; stops at the first shard that it does not have."""
    new_digest = functools.partial(
        SourceDigest,
        layout=manifest.layout,
        classes=manifest.classes,
        bands=manifest.bands,
        min_class_fraction=manifest.min_class_fraction,
        tile_size_px=manifest.tile_size_px,
        max_16_bit=max_16_bit,
        label_masks=manifest.label_masks is True,
    )
    wanted = {shard.path for split in manifest.splits.values() for shard in split.shards}
    for digest in _shard_digests(inventory.lines(data_root), new_digest):
        uri = receipt_uri(data_root, digest)
        try:
            path = ShardReceipt.from_json(storage.read_bytes(uri), uri).path
        except (FileNotFoundError, DataError):
            return False
        if path and path not in wanted:
            return False
        wanted.discard(path)
    return not wanted


def _shard_digests(lines: Iterator[bytes], new_digest: "functools.partial[SourceDigest]") -> Iterator[str]:
    """Yields the digest of each planned shard."""
    placed = ((match.groups(), line) for line in lines if (match := _PLACE.search(line)))
    for _, members in itertools.groupby(placed, key=operator.itemgetter(0)):
        digest = new_digest()
        for _, line in members:
            digest.add_line(without_place(line))
        yield digest.hexdigest()


def without_place(line: bytes) -> bytes:
    """Returns a line as it is whatever shard its tile is in."""
    return _PLACE.sub(_NO_PLACE, line, count=1)
