"""The settings of ingest, and what is refused of them before anything starts."""

import dataclasses
import re

from components.agrivision import LAYOUTS
from components.errors import SettingsError

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


def check_settings(
    *,
    layout: str,
    classes: str,
    seed: int,
    val_percent: int,
    test_percent: int,
    num_partitions: int,
    num_workers: int,
    shard_size_mb: int,
    tile_size_px: int,
    min_class_fraction: float,
    max_bad_fraction: float,
) -> None:
    """Refuses settings that no source could be ingested with; the messages use the pipeline's parameter names.

    Raises:
      SettingsError: for the first value that is out of its range.
    """
    if layout != AUTO and layout not in LAYOUTS:
        raise SettingsError(f"unknown ingest_layout {layout!r}; expected one of {', '.join((AUTO, *LAYOUTS))}")
    class_list(classes)
    if not 0 <= seed < 2**63:
        raise SettingsError(f"ingest_seed must be at least 0 and below 2^63, got {seed}")
    for name, percent in (("ingest_val_percent", val_percent), ("ingest_test_percent", test_percent)):
        if percent < 1:
            raise SettingsError(f"{name} must be at least 1, got {percent}")
    if val_percent + test_percent > 99:
        raise SettingsError(
            "ingest_val_percent and ingest_test_percent must leave at least 1 percent for training, "
            f"got {val_percent} and {test_percent}"
        )
    counts = (
        ("ingest_num_partitions", num_partitions),
        ("train_num_workers", num_workers),
        ("shard_size_mb", shard_size_mb),
    )
    for name, count in counts:
        if count < 1:
            raise SettingsError(f"{name} must be at least 1, got {count}")
    smallest, largest = TILE_SIZES_PX
    if tile_size_px and not smallest <= tile_size_px <= largest:
        raise SettingsError(
            f"shard_tile_size_px must be 0, which keeps the tiles as they are, or {smallest} to {largest}, "
            f"got {tile_size_px}"
        )
    fractions = (("shard_min_class_fraction", min_class_fraction), ("ingest_max_bad_fraction", max_bad_fraction))
    for name, fraction in fractions:
        if not 0 <= fraction <= 1:  # NaN is refused too
            raise SettingsError(f"{name} must be between 0 and 1, got {fraction}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """The settings of one run of ingest.

    Attributes:
      layout: "auto", or the layout that the source must have.
      classes: The class list and its order, comma-separated; empty for that of the layout or of the folders.
      seed: Seeds the split by field and the order of tiles.
      val_percent, test_percent: Share of the tiles, where the source gives no such split.
      num_partitions: Shard tasks.
      num_workers: Training workers, each of which needs a shard.
      shard_size_mb: Size of a shard, MB (10^6 bytes).
      tile_size_px: Side of the stored tiles, pixels; larger tiles are scaled down to it. 0 stores them as they are.
      min_class_fraction: Share of a tile's valid pixels from which on a class counts as present, in 0..1.
      max_bad_fraction: Share of bad tiles above which the source is refused, in 0..1.

    Raises:
      SettingsError: for a value that is out of its range.
    """

    layout: str = AUTO
    classes: str = ""
    seed: int = 0
    val_percent: int = 20
    test_percent: int = 20
    num_partitions: int = 2
    num_workers: int = 2
    shard_size_mb: int = 64
    tile_size_px: int = 0
    min_class_fraction: float = 0.002
    max_bad_fraction: float = 0.01

    def __post_init__(self) -> None:
        check_settings(**dataclasses.asdict(self))
