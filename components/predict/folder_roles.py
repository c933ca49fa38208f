"""What folders of tiles hold, by their names: RGB, NIR, boundaries or masks, in a release's layout or on their own."""

from collections.abc import Callable, Mapping

from components.agrivision import CHALLENGE_2020, PAPER_2020
from components.ingest.layouts import FolderCount, place_of

_ROLES = {
    "rgb": "rgb", "nir": "nir",
    "boundary": "boundary", "boundaries": "boundary", "field_bounds": "boundary",
    "mask": "mask", "masks": "mask", "field_masks": "mask",
}  # fmt: skip
_LABELS = ("labels", "field_labels")
_IN_BETWEEN = ("images", "field_images")  # folders of a release that hold some of a tile's files and not others


class Roles:
    """The role of every folder.

    Folders of a release are known by its layout, as ingest knows them. Else folders named rgb, nir, boundary and mask
    hold just that. If no folder is named rgb, all images are RGB, as in a folder for each class.

    Attributes:
      num_rgb: Number of images in folders of RGB; one tile each.
    """

    def __init__(self, folders: Mapping[str, FolderCount]) -> None:
        self._places: dict[str, tuple[str, str] | None] = {}
        for known in (_in_release(PAPER_2020), _in_release(CHALLENGE_2020), _by_name):
            places = {folder: known(folder) for folder in folders}
            if any(place is not None and place[0] == "rgb" for place in places.values()):
                self._places = places
                break
        else:
            # NIR, masks or labels without RGB are no tiles; folders of any other name are.
            self._places = {folder: None if _has_a_name_of_its_own(folder) else ("rgb", folder) for folder in folders}
        self.num_rgb = sum(
            folders[folder].num_images for folder, place in self._places.items() if place and place[0] == "rgb"
        )

    def of(self, folder: str) -> tuple[str, str] | None:
        """Returns a folder's role, and what it has in common with the folders of other roles that belong to it."""
        return self._places[folder]


def _in_release(layout: str) -> Callable[[str], tuple[str, str] | None]:
    def known(folder: str) -> tuple[str, str] | None:
        place = place_of(folder, layout)
        return None if place is None or place.role == "label" else (place.role, f"{place.part}/{place.split}")

    return known


def _by_name(folder: str) -> tuple[str, str] | None:
    parts = folder.split("/")
    if any(part.lower() in _LABELS for part in parts):
        return None
    for at in range(len(parts) - 1, -1, -1):
        if role := _ROLES.get(parts[at].lower()):
            rest = [*parts[:at], *parts[at + 1 :]]
            return role, "/".join(part for part in rest if part.lower() not in _IN_BETWEEN)
    return None


def _has_a_name_of_its_own(folder: str) -> bool:
    return any(part.lower() in _ROLES or part.lower() in _LABELS for part in folder.split("/"))
