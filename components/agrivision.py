"""Facts of the Agriculture-Vision dataset: bands, class lists, layouts, tile names.

Tiles are square crops, 512 x 512 pixels, of aerial images of fields. A tile's name is
`<field_id>_<x1>-<y1>-<x2>-<y2>`; the windows of one field overlap, so a split is made by
field, never by tile. Source: https://github.com/SHI-Labs/Agriculture-Vision.
"""

import dataclasses
import re

RGB_BANDS = ("red", "green", "blue")
BANDS = (*RGB_BANDS, "nir")
TILE_SIZE_PX = 512
SPLITS = ("train", "val", "test")

# A class list fixes the order of the label vector. It travels in the manifest and in the exported
# model, and never depends on the order in which a folder is listed.
PAPER_2020_CLASSES = (
    "double_plant",
    "drydown",
    "endrow",
    "nutrient_deficiency",
    "planter_skip",
    "storm_damage",
    "water",
    "waterway",
    "weed_cluster",
)
CHALLENGE_2020_CLASSES = (
    "cloud_shadow",
    "double_plant",
    "planter_skip",
    "standing_water",
    "waterway",
    "weed_cluster",
)
# The folder storm_damage exists in this release, but the challenge does not score it.
SUPERVISED_2021_CLASSES = tuple(name for name in PAPER_2020_CLASSES if name != "storm_damage")

PAPER_2020 = "paper-2020"
CHALLENGE_2020 = "challenge-2020"
SUPERVISED_2021 = "supervised-2021"
CLASS_FOLDERS = "class-folders"
LAYOUTS = (PAPER_2020, CHALLENGE_2020, SUPERVISED_2021, CLASS_FOLDERS)

# Tiles of each class among the single-label train and val tiles of the paper release: 55 to 1.
PAPER_2020_CLASS_COUNTS = {
    "drydown": 22_484,
    "nutrient_deficiency": 16_813,
    "weed_cluster": 12_290,
    "double_plant": 5_391,
    "waterway": 4_126,
    "endrow": 3_309,
    "water": 2_995,
    "planter_skip": 2_726,
    "storm_damage": 411,
}

_YEAR_FOLDER = re.compile(r"(?:^|/)data(\d{4})_miniscale/")  # paper release only
_TILE_NAME = re.compile(r"(?P<field_id>[^_]+)_(?P<x1>\d+)-(?P<y1>\d+)-(?P<x2>\d+)-(?P<y2>\d+)")


@dataclasses.dataclass(frozen=True)
class TileId:
    """One crop of one field.

    Attributes:
      field_id: The field the tile was cut from.
      x1, y1, x2, y2: The window in the field's image, in pixels; x2 and y2 are exclusive.
    """

    field_id: str
    x1: int
    y1: int
    x2: int
    y2: int

    def __post_init__(self) -> None:
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ValueError(f"a tile's window must have x2 > x1 and y2 > y1, got {self}")

    def __str__(self) -> str:
        return f"{self.field_id}_{self.x1}-{self.y1}-{self.x2}-{self.y2}"


def year_of(path: str) -> int:
    """Returns the year a tile was flown, taken from the path of one of its files; 0 if the path has none."""
    match = _YEAR_FOLDER.search(path)
    return int(match[1]) if match else 0


def parse_tile_id(stem: str) -> TileId:
    """Parses a file stem such as `1AD76MIZN_659-8394-1171-8906`.

    Raises:
      ValueError: if `stem` does not have the dataset's form, or its window is empty.
    """
    match = _TILE_NAME.fullmatch(stem)
    if match is None:
        raise ValueError(f"tile name must be <field_id>_<x1>-<y1>-<x2>-<y2>, got {stem!r}")
    return TileId(match["field_id"], int(match["x1"]), int(match["y1"]), int(match["x2"]), int(match["y2"]))
