"""shard → merge → train, evaluate: the shards, and the dataset that they form."""

import hashlib

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import RelativePath, RelativePathOrEmpty, Sha256, Sha256OrEmpty
from components.contracts.source import IgnoredFiles, MissingMasks, Rejection


class Note(msgspec.Struct, frozen=True, order=True):
    """A remark on a tile that was kept, in one line without absolute paths."""

    tile_id: str
    text: str


class FieldSums(msgspec.Struct, frozen=True, array_like=True):
    """The sums over the tiles of one field: one short, exact row, so rows can be added in any order.

    Attributes:
      year: Year of the flight; 0 if the layout does not give it.
      class_tiles: Tiles that have the class, by class name; classes without a tile are left out.
      class_pixels: Valid pixels that show the class, by class name; classes without a pixel are left out. A class may
        have pixels but no tile, if it covers too small a part of each.
      band_sums, band_squares: Sums of the values, in 0..255, and of their squares over the valid pixels, [bands].
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
      source_digest: The digest from the plan; a later run skips a shard whose receipt has the same one.
      path: The shard, `shards/<sha256>.tfrecord`; empty if none of its tiles was good.
      fields: One row per field and year, sorted by both.
      class_tiles: Tiles that have the class, in class-list order, [C].
      class_pixels: Valid pixels of the class, [C].
      valid_pixels, total_pixels: Sums over all tiles.
      cooccurrence: Tiles that have both classes, [C][C].
      num_single_label: Tiles with exactly one class.
      band_histogram: Valid pixels by value, [bands][256].
      tile_sizes: Number of tiles by size "<width>x<height>" as stored, in pixels.
      picture_digests: Digests of the tiles' RGB files, concatenated in record order; equal for equal files.
      records: Rows of the table of records, concatenated in record order; see record_table.py.
      num_16_bit: Tiles with an image of 16 bits; not stated if there are none.
      notes: Sorted.
    """

    source_digest: Sha256
    split: str
    index: int
    path: RelativePathOrEmpty
    sha256: Sha256OrEmpty
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
    num_16_bit: int | msgspec.UnsetType = msgspec.UNSET
    rejected: tuple[Rejection, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def field_ids(self) -> tuple[str, ...]:
        """The ids of its fields, sorted and unique."""
        return tuple(sorted({field.field_id for field in self.fields}))


class ShardReceipts(Document, frozen=True, kw_only=True):
    """What one shard task hands to merge: the names of its partition's receipts, not their content.

    Attributes:
      source_digests: Name the receipts, `receipts/<source digest>.json` under data_root; in the order of the plan.
    """

    partition: int
    source_digests: tuple[Sha256, ...]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One TFRecord file of the dataset; `path` is relative to data_root."""

    path: RelativePath
    sha256: Sha256
    num_bytes: int
    num_tiles: int
    num_single_label: int


class SplitSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One split of the dataset.

    Attributes:
      class_tiles: Tiles that have the class, in class-list order, [C].
      band_mean, band_std: Mean and standard deviation of the valid pixels, in 0..1, [bands].
      records_sha256: Names its table of records, `shards/<sha256>.records` under data_root, in the order of `shards`.
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
    records_sha256: Sha256
    shards: tuple[Shard, ...]


class Manifest(Document, frozen=True, kw_only=True):
    """merge → train, evaluate: the dataset. Without it, a dataset does not exist.

    Holds nothing that depends on where or when it was made: equal tiles and settings give equal bytes. Every worker
    reads it, so it stays small however many tiles there are: the sums by field lie in a file beside it.

    Attributes:
      splits: Summaries by split name; a split without tiles is left out.
      tile_size_px: Side that larger tiles were scaled down to, in pixels; 0 if tiles were not scaled.
      tile_sizes: Number of tiles by size "<width>x<height>" as stored, in pixels.
      max_16_bit: What became 255 when images of 16 bits were scaled to 8; not stated if no tile has such an image.
      label_masks: True if the records hold the pixels of each class; else not stated.
      data_licence: Of the tiles; not stated if nobody said. As with `ignored`, `sha256` does not depend on it.
      fields_sha256: sha256 of the sums by field, `fields.jsonl` beside the manifest; empty if there is no such file.
      rejected, notes: The first few, sorted; there may be as many as tiles, and the receipts hold all of them.
      ignored, missing_masks: What the source holds beside its tiles, and the masks that it lacks, as in the inventory;
        absent if there is none. They make no other dataset of the same tiles, so `sha256` does not depend on them.
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
    max_16_bit: int | msgspec.UnsetType = msgspec.UNSET
    label_masks: bool | msgspec.UnsetType = msgspec.UNSET
    data_licence: str | msgspec.UnsetType = msgspec.UNSET
    splits: dict[str, SplitSummary]
    fields_sha256: Sha256OrEmpty = ""
    num_rejected: int = 0
    rejected: tuple[Rejection, ...] = ()
    num_notes: int = 0
    notes: tuple[Note, ...] = ()
    ignored: tuple[IgnoredFiles, ...] | msgspec.UnsetType = msgspec.UNSET
    missing_masks: tuple[MissingMasks, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def sha256(self) -> str:
        """The sha256 of the canonical JSON text without what the source holds beside its tiles, in hexadecimal.

        Else a note beside the tiles, or a folder that somebody looked into on a Mac, would make another dataset, and
        the training would start anew.
        """
        tiles_only = msgspec.structs.replace(
            self, ignored=msgspec.UNSET, missing_masks=msgspec.UNSET, data_licence=msgspec.UNSET
        )
        return hashlib.sha256(tiles_only.to_json()).hexdigest()

    @property
    def dataset_id(self) -> str:
        """The name of the dataset's folder, `datasets/<id>/` under data_root."""
        return self.sha256[:16]

    @property
    def num_tiles(self) -> int:
        """The number of tiles in all splits."""
        return sum(split.num_tiles for split in self.splits.values())

    @property
    def num_shards(self) -> int:
        """The number of shards in all splits."""
        return sum(len(split.shards) for split in self.splits.values())
