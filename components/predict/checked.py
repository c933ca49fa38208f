"""Checks a tile's files as the shard step does, so that no model is asked what no run would keep."""

from collections.abc import Mapping

import msgspec

from components import storage
from components.agrivision import CLASS_FOLDERS, PAPER_2020
from components.contracts import Inventory, Rejection, SourceFile, SourceTile
from components.errors import DataError
from components.predict.tile_files import BOUNDARY, MASK, NIR, RGB, TileFiles
from components.records.source_formats import FULL_16_BIT, TIFF_SUFFIXES
from components.records.source_image import BadImage
from components.records.tile_record import Record
from components.shard.tile_check import OpenedTile, check_tile, open_tile


def checks_of(bands: tuple[str, ...], max_16_bit: int = FULL_16_BIT) -> Inventory:
    """Returns what the shard step would know of a source that fits a model, without classes to look for."""
    return Inventory(
        source_uri="",
        # Users' own pictures may be grey, or have a palette or alpha, and hold their near infrared in the same file.
        layout=CLASS_FOLDERS,
        classes=(),
        bands=bands,
        max_16_bit=max_16_bit,
        seed=0,
        split_origin="",
        fingerprint="",
        num_tiles=0,
        num_fields=0,
        num_unlabelled=0,
        min_class_fraction=0.0,
        max_bad_fraction=0.0,
        partitions=(),
    )


def checked_record(tile: TileFiles, checks: Inventory) -> Record | str:
    """Returns what the model is asked about, or why the tile cannot be used, naming the file."""
    if RGB not in tile.files:
        return f"rgb: no such file, but there is {tile.files[NIR].path!r}"
    source = SourceTile(
        tile_id="",  # a record could not hold a name that is not UTF-8, and a model sees no name
        field_id="",
        split="",
        shard=0,
        rgb=tile.files[RGB],
        nir=tile.files.get(NIR),
        boundary=tile.files.get(BOUNDARY),
        mask=tile.files.get(MASK),
    )
    if "nir" in checks.bands and not (NIR not in tile.files and tile.files[RGB].path.lower().endswith(TIFF_SUFFIXES)):
        # A release's pictures may not be grey, so that a NIR image in the place of the RGB is noticed.
        checks = msgspec.structs.replace(checks, layout=PAPER_2020)
    role_of = {file.path: role for role, file in tile.files.items()}
    checked = check_tile(source, checks, lambda file: _read(file.path, role_of[file.path]))
    if not isinstance(checked, Rejection):
        return checked.record
    role, _, reason = checked.reason.partition(": ")
    return f"{role} {tile.files[role].path!r}: {reason}" if role in tile.files else checked.reason


def opened_contents(contents: Mapping[str, bytes], checks: Inventory, ratio: int = 1) -> OpenedTile | str:
    """Returns a tile whose files are in memory, or why it cannot be used.

    Args:
      contents: JPEG or PNG by role, RGB always and NIR where `checks` has that band. Without MASK, every pixel counts.
      ratio: By which JPEGs are scaled down while they are decoded, see records/jpeg.py.
    """
    files = {role: SourceFile(role, len(content), "") for role, content in contents.items()}
    source = SourceTile(
        tile_id="", field_id="", split="", shard=0, rgb=files[RGB], nir=files.get(NIR), mask=files.get(MASK)
    )
    if "nir" in checks.bands:  # as in checked_record
        checks = msgspec.structs.replace(checks, layout=PAPER_2020)
    try:
        return open_tile(source, checks, lambda file: contents[file.path], ratio)
    except BadImage as bad:
        return str(bad)


def _read(path: str, role: str) -> bytes:
    try:
        return storage.read_bytes(path)
    except FileNotFoundError as error:
        raise BadImage(f"{role}: no such file") from error
    except OSError as error:
        raise BadImage(f"{role}: {error.strerror}") from error
    except DataError as error:
        raise BadImage(f"{role}: {str(error).removeprefix(f'{path!r} ')}") from error
