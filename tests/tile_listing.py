"""Sources as ingest sees them: names and sizes. It reads no pixels, so the files hold none."""

from pathlib import Path

from components.agrivision import CHALLENGE_2020, PAPER_2020, SUPERVISED_2021
from components.contracts import SourceFile, SourceTile

RELEASE_LABELS = {PAPER_2020: "drydown", CHALLENGE_2020: "standing_water", SUPERVISED_2021: "drydown"}


def tile_name(field_id: str, number: int) -> str:
    return f"{field_id}_{number * 100}-0-{number * 100 + 512}-512"


def release_files(layout: str, place: str, names: list[str], labelled: bool = True) -> list[str]:
    """Returns the paths of complete tiles.

    Args:
      place: The split folder, or for the paper release the folder of the year.
      labelled: Whether each has a label file, of one class.
    """
    paper = layout == PAPER_2020
    images, boundaries, masks, labels = (
        ("field_images", "field_bounds", "field_masks", "field_labels")
        if paper
        else ("images", "boundaries", "masks", "labels")
    )
    files = []
    for name in names:
        files += [f"{place}/{images}/rgb/{name}.jpg", f"{place}/{images}/nir/{name}.jpg"]
        files += [f"{place}/{boundaries}/{name}.png", f"{place}/{masks}/{name}.png"]
        if labelled:
            files.append(f"{place}/{labels}/{RELEASE_LABELS[layout]}/{name}.png")
    return files


def listing(paths: list[str], num_bytes: int = 1000) -> list[SourceFile]:
    return [SourceFile(path, num_bytes, "1") for path in paths]


def write_files(root: Path, paths: list[str]) -> str:
    """Writes a small file for each path, and returns the source_uri."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return str(root)


def fake_tile(field_id: str, number: int, split: str = "", num_bytes: int = 200_000) -> SourceTile:
    name = tile_name(field_id, number)
    return SourceTile(
        tile_id=name, field_id=field_id, split=split, shard=0, rgb=SourceFile(f"rgb/{name}.jpg", num_bytes, "1")
    )
