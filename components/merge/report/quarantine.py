"""Problem tiles in the data report: images of rejected tiles, and remarks on tiles that were kept."""

import io
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from components import report, storage, words
from components.contracts import Inventory, Manifest, Rejection, SourceFile, SourceTile
from components.dataset.first_sorted import Rejections
from components.records import source_image
from components.records.image_header import JPEG_START, MAX_FILE_BYTES, PNG_SIGNATURE, read_header

_MAX_SHOWN, _SHOWN_PER_REASON = 12, 2
_MAX_NOTES_SHOWN = 20
_THUMBNAIL_PX = 160

Pixels = NDArray[np.uint8]


def shown_rejections(rejections: Rejections) -> list[Rejection]:
    """Returns the rejections to show: a few for each reason, the most frequent reason first."""
    return [
        Rejection(tile_id, reason.text)
        for reason in rejections.reasons()
        for tile_id in reason.examples[:_SHOWN_PER_REASON]
    ][:_MAX_SHOWN]


def quarantine_blocks(rejections: Rejections, inventory: Inventory, sources: Mapping[str, SourceTile]) -> list[str]:
    """Returns images of the rejected tiles whose files can be decoded; empty if there are none.

    Args:
      sources: The tiles of shown_rejections by id; a tile that ingest could not pair is absent.
    """
    pictures = []
    for bad in shown_rejections(rejections):
        for role, file in _telling_files(bad, sources.get(bad.tile_id)):
            if (pixels := thumbnail(file, inventory.source_uri)) is not None:
                pictures.append((pixels, f"{role} of {bad.tile_id}: {bad.reason}"))
    if not pictures:
        return []
    return [
        report.paragraph("What is readable of some of them; rows missing from a damaged file are grey or black."),
        report.gallery(pictures),
    ]


def note_blocks(manifest: Manifest) -> list[str]:
    """Returns the remarks on tiles that were kept; empty if there are none."""
    if not manifest.num_notes:
        return []
    shown = manifest.notes[:_MAX_NOTES_SHOWN]
    where = "" if len(shown) == manifest.num_notes else f", of which the first {len(shown)} follow"
    return [
        report.heading("Remarks"),
        report.paragraph(
            f"{manifest.num_notes:,} on {words.unit(manifest.layout)}s that were kept{where}. "
            "The shards' receipts list them all."
        ),
        report.table((words.unit(manifest.layout), "remark"), [(note.tile_id, note.text) for note in shown]),
    ]


def _telling_files(bad: Rejection, source: SourceTile | None) -> Iterator[tuple[str, SourceFile]]:
    """Yields the RGB file and, if it is a different one, the file that the reason begins with."""
    if source is None:
        return
    yield "rgb", source.rgb
    role = bad.reason.partition(":")[0]
    named = {"nir": source.nir, "boundary": source.boundary, "mask": source.mask}
    named |= {f"label {name}": file for name, file in source.labels.items()}
    if (file := named.get(role)) is not None:
        yield role, file


def thumbnail(file: SourceFile, source_uri: str) -> Pixels | None:
    """Returns a thumbnail, uint8 [H, W, 3]; None if no part of the image is readable."""
    if not 0 < file.num_bytes <= MAX_FILE_BYTES:
        return None
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # only for display; nothing else in this step decodes with Pillow
    try:
        content = storage.read_bytes(storage.join(source_uri, file.path))
        if not content.startswith((JPEG_START, PNG_SIGNATURE)):  # TIFF and WebP are read whole or not at all
            pixels = source_image.decode_bands(content, 3, source_image.ANY_COLOUR_MODES)
            image = Image.fromarray(pixels)
            image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
            return np.asarray(image)
        read_header(content)  # the limits hold for what was rejected, too
        image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
        image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
        return np.asarray(image.convert("RGB"))
    except Exception:  # damaged bytes raise anything from struct.error to SyntaxError, and the file may be gone
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
