"""What can be chosen of a map. Imports nothing heavy: the scoring pipeline and the command have their fields here."""

import dataclasses

from components.setting import check_settings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """How a source is looked at.

    Raises:
      SettingsError: for a value out of range.
    """

    bands: str = setting(
        "",
        "Bands of a GeoTIFF: a letter for each, e.g. nrgb, or the numbers of red, green, blue and near infrared, e.g. "
        "3,2,1,4. Only needed if the file does not say it.",
        may_be_empty=True,
    )
    window_px: int = setting(
        0, "Side of the windows of a GeoTIFF, pixels; 0 for that of the model's tiles.", at_least=0
    )
    overlap: float = setting(
        0.5, "Share of a window's side that the next one covers again, 0 to 0.875.", at_least=0, at_most=0.875
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegionSettings:
    """The limits of the file of regions; areas by class count everything, and what is left out is counted and said.

    Raises:
      SettingsError: For a value out of range.
    """

    smallest_m2: float = setting(
        1.0, "Smallest region that becomes a polygon, square metres; for a source with a reference system.", at_least=0
    )
    smallest_px2: float = setting(
        100.0, "Smallest region that becomes a polygon, pixels; for a source without a georeference.", at_least=0
    )
    most_regions: int = setting(
        100_000, "Most regions that become polygons; if there are more, the largest do.", at_least=1, at_most=5_000_000
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapSettings:
    """What is mapped, by which model, to where, and by how many tasks.

    Raises:
      SettingsError: for a value out of range.
    """

    source_uri: str = setting(..., "A GeoTIFF, or a folder of tiles as the pipeline reads them; a path or gs:// URI.")
    model_uri: str = setting(..., "A models URI, for its production model, or the folder of one version.")
    target_uri: str = setting(..., "Where the maps go: a folder or a gs:// URI.")
    num_partitions: int = setting(4, "Number of tasks that share the windows.", at_least=1, at_most=100)

    def __post_init__(self) -> None:
        check_settings(self)
