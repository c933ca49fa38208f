"""shard → merge → train, evaluate: the shards, and the dataset that they make up."""

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.source import Rejection


class ShardReceipt(Document, frozen=True, kw_only=True):
    """shard → merge: what one shard holds. All statistics are integer sums, so merging them is exact in any order.

    Attributes:
      source_digest: The plan's; a second run skips a shard whose receipt has the same.
      path: The shard, `shards/<sha256>.tfrecord`; empty if no tile of it was good.
      field_ids: Sorted, unique.
      class_tiles: Tiles that have the class, in class-list order, [C].
      class_pixels: Valid pixels of the class, [C].
      valid_pixels, total_pixels: Over all tiles.
      cooccurrence: Tiles that have both classes, [C][C].
      num_single_label: Tiles with exactly one class.
      band_histogram: Valid pixels by value, [bands][256].
      tile_sizes: How many tiles have the size "<width>x<height>", in pixels.
    """

    source_digest: str
    split: str
    index: int
    path: str
    sha256: str
    num_bytes: int
    num_tiles: int
    field_ids: tuple[str, ...]
    class_tiles: tuple[int, ...]
    class_pixels: tuple[int, ...]
    cooccurrence: tuple[tuple[int, ...], ...]
    valid_pixels: int
    total_pixels: int
    num_single_label: int
    band_histogram: tuple[tuple[int, ...], ...]
    tile_sizes: dict[str, int]
    rejected: tuple[Rejection, ...] = ()


class ShardReceipts(Document, frozen=True, kw_only=True):
    """What one shard task hands to merge: the receipts of its partition."""

    partition: int
    receipts: tuple[ShardReceipt, ...]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One TFRecord file of the dataset; `path` is relative to data_root."""

    path: str
    sha256: str
    num_bytes: int
    num_tiles: int
    num_single_label: int


class SplitSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One split of the dataset. `class_tiles` follows the class list; `band_mean` and `band_std` are in 0..1."""

    num_tiles: int
    num_fields: int
    num_single_label: int
    class_tiles: tuple[int, ...]
    class_pixels: tuple[int, ...]
    cooccurrence: tuple[tuple[int, ...], ...]
    valid_pixels: int
    band_mean: tuple[float, ...]
    band_std: tuple[float, ...]
    band_histogram: tuple[tuple[int, ...], ...]
    shards: tuple[Shard, ...]


class Manifest(Document, frozen=True, kw_only=True):
    """merge → train, evaluate: the dataset. Without it, a dataset does not exist.

    Holds nothing that depends on where or when it was made: equal tiles and settings give equal bytes.

    Attributes:
      splits: By name; a split without tiles is left out.
      tile_sizes: Tiles by size "<width>x<height>", in pixels.
      rejected: Sorted.
    """

    format_version: int = FORMAT_VERSION
    layout: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    seed: int
    split_origin: str
    min_class_fraction: float
    tile_sizes: dict[str, int]
    splits: dict[str, SplitSummary]
    rejected: tuple[Rejection, ...]

    @property
    def num_tiles(self) -> int:
        return sum(split.num_tiles for split in self.splits.values())

    @property
    def num_shards(self) -> int:
        return sum(len(split.shards) for split in self.splits.values())
