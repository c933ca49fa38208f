"""Folders of tiles to ask a model about, and the rows of its answers."""

import csv
import io
from pathlib import Path

from tile_shards import fake_record


def write(root: Path, **files: bytes) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def tile_folder(root: Path, rgb: str = "rgb", nir: str | None = "nir", **more: bytes) -> Path:
    """Writes t1 and t2, and more."""
    for number in (1, 2):
        record = fake_record(2000 + number)
        write(root, **{f"{rgb}/t{number}.jpg".lstrip("/"): record.rgb})
        if nir:
            write(root, **{f"{nir}/t{number}.jpg": record.nir})
    return write(root, **more)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def found_of(text: str) -> dict[str, str]:
    return {row["tile"]: row["found"] for row in rows(text)}
