"""shard → merge → train, evaluate: the shards, and the dataset that they make up."""

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.source import Rejection


class Note(msgspec.Struct, frozen=True, order=True):
    """A remark on a tile that was kept, in one line without absolute paths."""

    tile_id: str
    text: str


class FieldSums(msgspec.Struct, frozen=True, array_like=True):
    """What the tiles of one field add up to: one short row, exact, so that rows can be added in any order.

    Attributes:
      year: In which it was flown; 0 where the layout does not tell.
      class_tiles: Tiles that have the class, by its name; a class without a tile is left out.
      class_pixels: Valid pixels that show the class, by its name; a class without a pixel is left out. It may show in
        pixels and have no tile, where it is too small a part of each.
      band_sums, band_squares: Sums of the values and of their squares over the valid pixels, in 0..255, [bands].
    """

    field_id: str
    year: int
    num_tiles: int
    valid_pixels: int
    class_tiles: dict[str, int]
    class_pixels: dict[str, int]
    band_sums: tuple[int, ...]
    band_squares: tuple[int, ...]


class ShardReceipt(Document, frozen=True, kw_only=True):
    """shard → merge: what one shard holds. All statistics are integer sums, so merging them is exact in any order.

    Attributes:
      source_digest: The plan's; a second run skips a shard whose receipt has the same.
      path: The shard, `shards/<sha256>.tfrecord`; empty if no tile of it was good.
      fields: By field and year, in that order.
      class_tiles: Tiles that have the class, in class-list order, [C].
      class_pixels: Valid pixels of the class, [C].
      valid_pixels, total_pixels: Over all tiles.
      cooccurrence: Tiles that have both classes, [C][C].
      num_single_label: Tiles with exactly one class.
      band_histogram: Valid pixels by value, [bands][256].
      tile_sizes: How many tiles have the size "<width>x<height>" as stored, in pixels.
      picture_digests: Of the tiles' RGB files, one after the other in the order of the records; equal for equal files.
      records: What the table of records says of them, one row after the other in their order; see record_table.py.
      notes: Sorted.
    """

    source_digest: str
    split: str
    index: int
    path: str
    sha256: str
    num_bytes: int
    num_tiles: int
    fields: tuple[FieldSums, ...]
    class_tiles: tuple[int, ...]
    class_pixels: tuple[int, ...]
    cooccurrence: tuple[tuple[int, ...], ...]
    valid_pixels: int
    total_pixels: int
    num_single_label: int
    band_histogram: tuple[tuple[int, ...], ...]
    tile_sizes: dict[str, int]
    picture_digests: bytes
    records: bytes
    rejected: tuple[Rejection, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def field_ids(self) -> tuple[str, ...]:
        """Sorted, unique."""
        return tuple(sorted({field.field_id for field in self.fields}))


class ShardReceipts(Document, frozen=True, kw_only=True):
    """What one shard task hands to merge: which receipts of its partition are there, and nothing of what they hold.

    Attributes:
      source_digests: The receipts' names, `receipts/<source digest>.json` under data_root, in the order of the plan.
    """

    partition: int
    source_digests: tuple[str, ...]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One TFRecord file of the dataset; `path` is relative to data_root."""

    path: str
    sha256: str
    num_bytes: int
    num_tiles: int
    num_single_label: int


class SplitSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One split of the dataset.

    Attributes:
      class_tiles: In the order of the class list, [C].
      band_mean, band_std: In 0..1, [bands].
      records_sha256: Of the table of its records, `shards/<sha256>.records` under data_root, in the order of `shards`.
    """

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
    records_sha256: str
    shards: tuple[Shard, ...]


class Manifest(Document, frozen=True, kw_only=True):
    """merge → train, evaluate: the dataset. Without it, a dataset does not exist.

    Holds nothing that depends on where or when it was made: equal tiles and settings give equal bytes. Small however
    many tiles there are, as every worker reads it: what there is of each field lies beside it.

    Attributes:
      splits: By name; a split without tiles is left out.
      tile_size_px: Side that larger tiles were scaled down to, in pixels; 0 if all are as the source has them.
      tile_sizes: Tiles by size "<width>x<height>" as stored, in pixels.
      fields_sha256: Of `fields.jsonl` beside the manifest, the sums by field; empty if there is none.
      rejected, notes: The first of them, sorted; there may be as many as tiles, and the receipts have all.
    """

    format_version: int = FORMAT_VERSION
    layout: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    seed: int
    split_origin: str
    min_class_fraction: float
    tile_size_px: int = 0
    tile_sizes: dict[str, int]
    splits: dict[str, SplitSummary]
    fields_sha256: str = ""
    num_rejected: int = 0
    rejected: tuple[Rejection, ...] = ()
    num_notes: int = 0
    notes: tuple[Note, ...] = ()

    @property
    def dataset_id(self) -> str:
        """Names the dataset's folder, `datasets/<id>/` under data_root."""
        return self.sha256[:16]

    @property
    def num_tiles(self) -> int:
        return sum(split.num_tiles for split in self.splits.values())

    @property
    def num_shards(self) -> int:
        return sum(len(split.shards) for split in self.splits.values())
