"""The settings of ingest, and the checks made before anything starts."""

import dataclasses
import re

from components.agrivision import LAYOUTS
from components.errors import SettingsError
from components.setting import check_settings, setting

AUTO = "auto"
EQUAL, NEAR, ANYWHERE = "equal", "near", "anywhere"
TILE_SIZES_PX = (32, 8192)  # smallest and largest side that tiles may be scaled to
_STANDS_FOR_A_BUCKET = re.compile(r"\w+://(<[^/]*>)")  # no bucket can have such a name


def class_list(classes: str) -> tuple[str, ...]:
    """Returns the classes of a comma-separated list, in its order; empty for empty text.

    Raises:
      SettingsError: if a name is empty or repeated.
    """
    if not classes.strip():
        return ()
    names = tuple(name.strip() for name in classes.split(","))
    if "" in names:
        raise SettingsError(f"ingest_classes must be class names separated by commas, got {classes!r}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"ingest_classes must name each class once, got {twice[0]!r} twice")
    return names


def check_places(source_uri: str, data_root: str, models_uri: str) -> None:
    """Refuses places that no run could use; messages use the pipeline's parameter names.

    Raises:
      SettingsError: if a place is empty, still has the run form's placeholder for a bucket, or is on s3:// and is to be
        written to.
    """
    for name, uri in (("source_uri", source_uri), ("data_root", data_root), ("models_uri", models_uri)):
        if not uri.strip():
            raise SettingsError(f"{name} must not be empty")
        if match := _STANDS_FOR_A_BUCKET.match(uri):
            raise SettingsError(f"{name} is still {uri!r}; replace {match[1]} with the name of your bucket")
        if name != "source_uri" and uri.startswith("s3://"):
            raise SettingsError(f"{name} must be a folder or a gs:// URI, got {uri!r}; s3:// is for source_uri only")


@dataclasses.dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """The settings of one run of ingest, and those of the shards that it plans.

    Attributes:
      num_workers: Number of training workers; each needs a shard.

    Raises:
      SettingsError: if a value is out of range.
    """

    layout: str = setting(AUTO, f"Layout of the source: {AUTO}, {', '.join(LAYOUTS)}.", choices=(AUTO, *LAYOUTS))
    classes: str = setting(
        "",
        "Classes in order, comma-separated; empty takes the layout's list, or the names of the class folders.",
        may_be_empty=True,
    )
    seed: int = setting(0, "Seeds the split by field and the order of tiles in the shards.", at_least=0, below=2**63)
    val_percent: int = setting(20, "Percentage of tiles for validation, if there is no official split.", at_least=1)
    test_percent: int = setting(20, "Percentage of tiles for the test, if there is no official split.", at_least=1)
    duplicates: str = setting(
        EQUAL,
        f"Which pictures stay in one split where the split is made here: {EQUAL} files; {NEAR} also those that look "
        f"alike, for which every picture is decoded; {ANYWHERE} compares none.",
        choices=(EQUAL, NEAR, ANYWHERE),
    )
    num_partitions: int = setting(2, "Number of shard tasks that run in parallel.", at_least=1)
    max_bad_fraction: float = setting(
        0.01, "Share of bad tiles, 0 to 1, above which the run fails.", at_least=0, at_most=1
    )
    shard_size_mb: int = setting(
        64,
        "Size of a shard in MB; 10 to 100 reads well from disks and buckets.",
        parameter="shard_size_mb",
        at_least=1,
    )
    tile_size_px: int = setting(
        0,
        "Side in pixels that larger tiles are scaled down to in the shards; 0 stores every tile unchanged.",
        parameter="shard_tile_size_px",
    )
    min_class_fraction: float = setting(
        0.002,
        "Lowest share of a tile's valid pixels, 0 to 1, at which a class counts as present in it.",
        parameter="shard_min_class_fraction",
        at_least=0,
        at_most=1,
    )
    num_workers: int = setting(
        ..., "Number of training workers; each needs a shard.", parameter="train_num_workers", at_least=1
    )

    def __post_init__(self) -> None:
        check_settings(self, "ingest_")
        class_list(self.classes)
        if self.val_percent + self.test_percent > 99:
            raise SettingsError(
                "ingest_val_percent and ingest_test_percent must leave at least 1 percent for training, "
                f"got {self.val_percent} and {self.test_percent}"
            )
        smallest, largest = TILE_SIZES_PX
        if self.tile_size_px and not smallest <= self.tile_size_px <= largest:
            raise SettingsError(
                f"shard_tile_size_px must be 0, which scales no tile, or {smallest} to {largest}, "
                f"got {self.tile_size_px}"
            )
