"""ingest → shard, merge: the source as it was found, and the plan of its shards."""

import msgspec

from components.contracts.document import FORMAT_VERSION, Document


class SourceFile(msgspec.Struct, frozen=True, array_like=True):
    """One file of the source.

    Attributes:
      path: Relative to the source's root.
      num_bytes: Its size.
      version: Changes whenever the content may have: modification time in ns, or a bucket's generation.
    """

    path: str
    num_bytes: int
    version: str


class Annotation(msgspec.Struct, frozen=True, array_like=True):
    """What the source's own statistics say of one class in a tile: annotated regions, which may overlap.

    Attributes:
      num_regions: How many.
      largest_area, total_area: Of the largest, and of all together, in pixels; 0 if not given.
    """

    num_regions: int
    largest_area: int
    total_area: int


class SourceTile(msgspec.Struct, frozen=True, kw_only=True):
    """One tile as ingest found it; a line of a partition file (JSON lines).

    Attributes:
      tile_id, field_id: Unique name of the tile, and the field it was cut from.
      split: One of agrivision.SPLITS.
      shard: Index of its shard within the split.
      rgb: 3-band image.
      nir: 1-band image of the same size; None for RGB-only layouts.
      boundary, mask: PNG, 255 where the pixel is inside the field and where it is usable; None counts as all valid.
      labels: PNG mask by class name, only for the classes that have a file.
      classes: The tile's classes where the layout gives them by tile and not by pixel.
      annotated: By class, what the source's statistics say beside the masks; None if they say nothing about the tile.
    """

    tile_id: str
    field_id: str
    split: str
    shard: int
    rgb: SourceFile
    nir: SourceFile | None = None
    boundary: SourceFile | None = None
    mask: SourceFile | None = None
    labels: dict[str, SourceFile] = {}
    classes: tuple[str, ...] = ()
    annotated: dict[str, Annotation] | None = None


class Rejection(msgspec.Struct, frozen=True, order=True):
    """A tile that was left out, and why, in one line without absolute paths."""

    tile_id: str
    reason: str


class PlannedShard(msgspec.Struct, frozen=True, kw_only=True):
    """One shard to be written.

    Attributes:
      source_digest: sha256 over everything its bytes follow from (tiles, file versions, settings).
    """

    split: str
    index: int
    num_tiles: int
    num_bytes: int
    source_digest: str


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one shard task: the lines of `path` (under data_root), sorted by split, shard, order in the shard."""

    index: int
    path: str
    num_tiles: int
    shards: tuple[PlannedShard, ...]


class Inventory(Document, frozen=True, kw_only=True):
    """ingest → shard, merge: which tiles there are, their split and their partition.

    Attributes:
      fingerprint: sha256 over every source file's path, size and version.
      split_origin: "official" or "by field"; how the split came about, for the report.
      num_unlabelled: Tiles left aside because the layout gives them no labels.
      min_class_fraction: A class counts as present from this share of the valid pixels on (and at least one pixel).
      tile_size_px: Side that larger tiles are scaled down to in the shards, in pixels; 0 stores all as they are.
      rejected: Tiles that could not even be paired.
    """

    format_version: int = FORMAT_VERSION
    source_uri: str
    layout: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    seed: int
    split_origin: str
    fingerprint: str
    num_tiles: int
    num_fields: int
    num_unlabelled: int
    min_class_fraction: float
    max_bad_fraction: float
    tile_size_px: int = 0
    partitions: tuple[Partition, ...]
    rejected: tuple[Rejection, ...] = ()
