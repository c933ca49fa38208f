"""Checks the images of a request by their headers, before anything decodes them; what a model takes, and is told."""

from collections.abc import Mapping, Sequence

from components.contracts import Inventory, ModelCard
from components.predict.checked import checks_of
from components.records.image_header import JPEG_START, PNG_SIGNATURE, BeyondLimits, DamagedImage, read_header
from components.records.jpeg import needs_tensorflow
from components.records.source_formats import FULL_16_BIT
from components.serve.refusal import too_large, unusable_tile

RGB, NIR, VALID_MASK = "rgb", "nir", "valid_mask"
_GREY = ("L", "1")


def inputs_of(card: ModelCard) -> tuple[str, ...]:
    """Returns the inputs of a model: those that each tile needs, then valid_mask."""
    return (RGB, NIR, VALID_MASK) if NIR in card.bands else (RGB, VALID_MASK)


def checks_for(card: ModelCard) -> Inventory:
    """Returns what the checks know of the model."""
    return checks_of(card.bands, card.max_16_bit or FULL_16_BIT)


def check_image_headers(
    images: Mapping[str, Sequence[bytes]], checks: Inventory, most_pixels: int, most_in_all: int
) -> list[int]:
    """Returns the pixels of each tile of a request, by its largest image; decodes nothing.

    Args:
      images: By input, those of N tiles; an empty valid_mask says that every pixel counts.
      most_pixels: The most that an image may have.
      most_in_all: The most that all tiles together may have.

    Raises:
      Refusal: if there are too many pixels, or an image is none of a kind that is decoded here.
    """
    counts = []
    for number in range(len(images[RGB])):
        given = given_files({name: contents[number] for name, contents in images.items()})
        counts.append(
            max(_pixels_of(f"{name}[{number}]", content, checks, most_pixels) for name, content in given.items())
        )
    if sum(counts) > most_in_all:
        raise too_large(
            f"the {len(counts):,} tiles have {sum(counts):,} pixels, at most {most_in_all:,} are taken in a request; "
            "send fewer tiles at once"
        )
    return counts


def given_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns the files of a tile by input, without an empty valid_mask."""
    return {name: content for name, content in files.items() if content or name != VALID_MASK}


def _pixels_of(name: str, content: bytes, checks: Inventory, most_pixels: int) -> int:
    if not content:
        raise unusable_tile(f"{name}: empty file (0 bytes); expected a JPEG or PNG")
    if not content.startswith((JPEG_START, PNG_SIGNATURE)):
        raise unusable_tile(f"{name}: neither a JPEG nor a PNG")
    try:
        header = read_header(content)
    except BeyondLimits as error:
        raise too_large(f"{name}: {error}") from error
    except DamagedImage as error:
        raise unusable_tile(f"{name}: not a readable JPEG or PNG: {error}") from error
    if header.width * header.height > most_pixels:
        raise too_large(f"{name}: {header.width}x{header.height} px, at most {most_pixels:,} pixels are taken")
    # What only TensorFlow can decode, which the process that faces the network does without.
    if header.format == "JPEG" and needs_tensorflow(content):
        raise unusable_tile(f"{name}: a JPEG in CMYK, or of an unusual subsampling; save it as RGB")
    if header.is_16_bit and header.mode not in _GREY and checks.max_16_bit != FULL_16_BIT:
        raise unusable_tile(
            f"{name}: a PNG of 16 bits in colour; this model scales 16 bits by {checks.max_16_bit}, so save it as "
            "8 bits by that rule"
        )
    return header.width * header.height


__all__ = ["NIR", "RGB", "VALID_MASK", "check_image_headers", "checks_for", "given_files", "inputs_of"]
