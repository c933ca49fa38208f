"""The settings of ingest, and what is refused of them before anything starts."""

import dataclasses
import re

from components.agrivision import LAYOUTS
from components.errors import SettingsError
from components.setting import check_settings, setting

AUTO = "auto"
TILE_SIZES_PX = (32, 8192)  # smallest and largest side that tiles may be scaled to
_STANDS_FOR_A_BUCKET = re.compile(r"\w+://(<[^/]*>)")  # no bucket can be named so


def class_list(classes: str) -> tuple[str, ...]:
    """Returns the classes of a comma-separated list, in its order; none for an empty text.

    Raises:
      SettingsError: for an empty name, or one that is there twice.
    """
    if not classes.strip():
        return ()
    names = tuple(name.strip() for name in classes.split(","))
    if "" in names:
        raise SettingsError(f"ingest_classes must be class names with a comma between two, got {classes!r}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"ingest_classes must name each class once, got {twice[0]!r} twice")
    return names


def check_places(source_uri: str, data_root: str, models_uri: str) -> None:
    """Refuses places that no run could use; the messages use the pipeline's parameter names.

    Raises:
      SettingsError: for a bucket that nobody has named yet, as the run form has it at first, and for s3:// where
        something is to be written.
    """
    for name, uri in (("source_uri", source_uri), ("data_root", data_root), ("models_uri", models_uri)):
        if not uri.strip():
            raise SettingsError(f"{name} must not be empty")
        if match := _STANDS_FOR_A_BUCKET.match(uri):
            raise SettingsError(f"{name} is still {uri!r}; put the name of your bucket in the place of {match[1]}")
        if name != "source_uri" and uri.startswith("s3://"):
            raise SettingsError(f"{name} must be a folder or a gs:// URI, got {uri!r}; s3:// is for source_uri only")


@dataclasses.dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """The settings of one run of ingest, and those of the shards that it plans.

    Attributes:
      num_workers: Training workers, each of which needs a shard.

    Raises:
      SettingsError: for a value that is out of its range.
    """

    layout: str = setting(AUTO, f"How the source is laid out: {AUTO}, {', '.join(LAYOUTS)}.", choices=(AUTO, *LAYOUTS))
    classes: str = setting(
        "",
        "Class list and its order, comma-separated; empty takes the layout's, or the names of the class folders.",
        may_be_empty=True,
    )
    seed: int = setting(0, "Seeds the split by field and the order of tiles in the shards.", at_least=0, below=2**63)
    val_percent: int = setting(20, "Tiles for validation, percent, where the source has no official split.", at_least=1)
    test_percent: int = setting(20, "Tiles for the test, percent, where the source has no official split.", at_least=1)
    num_partitions: int = setting(2, "Shard tasks that run side by side.", at_least=1)
    max_bad_fraction: float = setting(
        0.01, "Share of bad tiles, 0 to 1, above which the run fails.", at_least=0, at_most=1
    )
    shard_size_mb: int = setting(
        64,
        "Size of a shard, MB; 10 to 100 reads well from disks and buckets.",
        parameter="shard_size_mb",
        at_least=1,
    )
    tile_size_px: int = setting(
        0,
        "Side that larger tiles are scaled down to in the shards, pixels; 0 stores every tile as it is.",
        parameter="shard_tile_size_px",
    )
    min_class_fraction: float = setting(
        0.002,
        "Share of a tile's valid pixels, 0 to 1, from which on a class counts as present in the tile.",
        parameter="shard_min_class_fraction",
        at_least=0,
        at_most=1,
    )
    num_workers: int = setting(
        ..., "Training workers, each of which needs a shard.", parameter="train_num_workers", at_least=1
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
                f"shard_tile_size_px must be 0, which keeps the tiles as they are, or {smallest} to {largest}, "
                f"got {self.tile_size_px}"
            )
