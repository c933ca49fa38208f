"""The settings of ingest."""

import dataclasses

from components.agrivision import LAYOUTS
from components.errors import SettingsError
from components.records.source_formats import FULL_16_BIT
from components.setting import check_settings, setting

OPTIONS = "data_options"  # the object of the run form that holds what is rarely changed
AUTO = "auto"
RGB, RGB_NIR = "rgb", "rgb-nir"
EQUAL, NEAR, ANYWHERE = "equal", "near", "anywhere"
TILE_SIZES_PX = (32, 8192)  # smallest and largest side that tiles may be scaled to


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
    bands: str = setting(
        AUTO,
        "Bands of class folders: rgb; rgb-nir, where the fourth band of every TIFF is near infrared; or auto, which is "
        "rgb-nir if all images are TIFFs and the first has four bands. Other layouts have both.",
        choices=(AUTO, RGB, RGB_NIR),
        group=OPTIONS,
    )
    seed: int = setting(
        0, "Seeds the split by field and the order of tiles in the shards.", at_least=0, below=2**53, group=OPTIONS
    )
    val_percent: int = setting(
        20, "Percentage of tiles for validation, if there is no official split.", at_least=1, group=OPTIONS
    )
    test_percent: int = setting(
        20, "Percentage of tiles for the test, if there is no official split.", at_least=1, group=OPTIONS
    )
    duplicates: str = setting(
        EQUAL,
        f"Which pictures stay in one split where the split is made here: {EQUAL} files; {NEAR} also those that look "
        f"alike, for which every picture is decoded; {ANYWHERE} compares none.",
        choices=(EQUAL, NEAR, ANYWHERE),
        group=OPTIONS,
    )
    num_partitions: int = setting(2, "Number of shard tasks that run in parallel.", at_least=1, group=OPTIONS)
    max_bad_fraction: float = setting(
        0.01, "Share of bad tiles, 0 to 1, above which the run fails.", at_least=0, at_most=1, group=OPTIONS
    )
    max_ignored_fraction: float = setting(
        0.2,
        "Share of the files of the source, or of one of its classes, 0 to 1, above which the run fails if they are "
        "ignored; litter of operating systems and documents called like their image do not count.",
        at_least=0,
        at_most=1,
        group=OPTIONS,
    )
    shard_size_mb: int = setting(
        64,
        "Size of a shard in MB; 10 to 100 reads well from disks and buckets.",
        parameter="shard_size_mb",
        at_least=1,
        group=OPTIONS,
    )
    tile_size_px: int = setting(
        0,
        "Side in pixels that larger tiles are scaled down to in the shards; 0 stores every tile unchanged.",
        parameter="shard_tile_size_px",
        group=OPTIONS,
    )
    max_16_bit: int = setting(
        FULL_16_BIT,
        "Highest value of 16-bit images, e.g. 10000 for reflectance: 0 to this become 0 to 255, in all tiles alike.",
        parameter="shard_max_16_bit",
        at_least=255,
        at_most=FULL_16_BIT,
        group=OPTIONS,
    )
    data_licence: str = setting(
        "",
        "Licence of the tiles, best by its SPDX name, e.g. CC-BY-NC-4.0; a model of non-commercial data stays out of "
        "channels that are marked commercial.",
        parameter="data_licence",
        may_be_empty=True,
        group=OPTIONS,
    )
    label_masks: bool = setting(
        False,
        "Whether the shards also hold which pixels show each class, for training that answers by pixel; some 1 % more "
        "bytes. Needs a layout with masks by class.",
        parameter="shard_label_masks",
        group=OPTIONS,
    )
    min_class_fraction: float = setting(
        0.002,
        "Lowest share of a tile's valid pixels, 0 to 1, at which a class counts as present in it.",
        parameter="shard_min_class_fraction",
        at_least=0,
        at_most=1,
        group=OPTIONS,
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
