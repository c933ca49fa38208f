"""ingest → shard, merge: the source as it was found, and the plan of its shards."""

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import RelativePath, RelativePathOrEmpty, Sha256, Sha256OrEmpty
from components.contracts.reasons import WhyIgnored


class SourceFile(msgspec.Struct, frozen=True, array_like=True):
    """One file of the source.

    Attributes:
      path: Relative to the source's root.
      num_bytes: Its size.
      version: Changes whenever the content may have: modification time in ns, or a bucket's generation.
    """

    path: RelativePath
    num_bytes: int
    version: str


class Annotation(msgspec.Struct, frozen=True, array_like=True):
    """The annotated regions of one class in a tile, from the source's own statistics; regions may overlap.

    Attributes:
      num_regions: Number of regions.
      largest_area, total_area: Area of the largest region, and of all together, in pixels; 0 if not given.
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
      boundary, mask: PNGs, 255 where a pixel is inside the field, or usable; None means that all pixels are valid.
      labels: PNG mask by class name, only for the classes that have a file.
      classes: The tile's classes, if the layout gives them by tile instead of by pixel.
      annotated: By class, from the source's statistics, in addition to the masks; None if they do not list the tile.
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


class IgnoredFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files of the source that belong to no tile, for one reason, in one class and split.

    Attributes:
      class_name, split: Empty where the files' folder tells none.
      examples: The first few of their paths, sorted; only to be shown, never to be opened.
    """

    reason: WhyIgnored
    class_name: str
    split: str
    num_files: int
    examples: tuple[str, ...]


class MissingMasks(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Tiles without a mask of a class in a source that has one for most tiles; they count as not showing the class.

    Attributes:
      split: Official split; empty if there is none.
      num_tiles: Tiles of the split without the mask; `num_expected` are all its tiles.
    """

    class_name: str
    split: str
    num_tiles: int
    num_expected: int


class PlannedShard(msgspec.Struct, frozen=True, kw_only=True):
    """One shard to be written.

    Attributes:
      source_digest: sha256 over everything that determines its bytes (tiles, file versions, settings).
    """

    split: str
    index: int
    num_tiles: int
    num_bytes: int
    source_digest: Sha256


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one shard task: the lines of `path` (under data_root), sorted by split, shard, order in the shard.

    Attributes:
      sha256: Of that file; empty in an inventory of an earlier version.
    """

    index: int
    path: RelativePath
    sha256: Sha256OrEmpty = ""
    num_tiles: int
    shards: tuple[PlannedShard, ...]


class NearPicture(msgspec.Struct, frozen=True, array_like=True):
    """Two tiles whose pictures look alike, and how many of the 64 bits of their hashes differ."""

    tile_id: str
    other_id: str
    num_bits: int


class NearPictures(msgspec.Struct, frozen=True, kw_only=True):
    """The pairs of pictures that look alike, which ingest kept in one split.

    Attributes:
      list_path: A file under data_root that lists all of them.
      shown: The first few, the most alike first.
    """

    num_pairs: int
    list_path: RelativePathOrEmpty
    shown: tuple[NearPicture, ...]


class Inventory(Document, frozen=True, kw_only=True):
    """ingest → shard, merge: the source's tiles, divided into splits and partitions.

    Attributes:
      fingerprint: sha256 over every source file's path, size and version.
      split_origin: How the split was made, e.g. "official" or "by field", for the report.
      num_unlabelled: Tiles set aside because the layout gives them no labels.
      min_class_fraction: Lowest share of valid pixels at which a class counts as present (and at least one pixel).
      tile_size_px: Side that larger tiles are scaled down to in the shards, in pixels; 0 scales none.
      max_16_bit: The value of images of 16 bits above which everything is white.
      label_masks: Whether the shards hold the pixels of each class.
      data_licence: Of the tiles; empty if nobody said.
      rejected: Tiles whose files could not be paired, or whose picture is in two classes.
      ignored: Files of the source that belong to no tile, by reason, class and split; sorted.
      missing_masks: Masks that most tiles have and some lack, by class and split; sorted.
      near: Pictures that look alike, if ingest was to look for them and found some.
    """

    format_version: int = FORMAT_VERSION
    source_uri: str
    layout: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    seed: int
    split_origin: str
    fingerprint: Sha256
    num_tiles: int
    num_fields: int
    num_unlabelled: int
    min_class_fraction: float
    max_bad_fraction: float
    tile_size_px: int = 0
    max_16_bit: int = 65_535
    label_masks: bool = False
    data_licence: str = ""
    partitions: tuple[Partition, ...]
    rejected: tuple[Rejection, ...] = ()
    ignored: tuple[IgnoredFiles, ...] = ()
    missing_masks: tuple[MissingMasks, ...] = ()
    near: NearPictures | None = None
