"""Reads one tile once, checks it, and turns it into a record."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.agrivision import CLASS_FOLDERS, RGB_BANDS, year_of
from components.contracts import Inventory, Rejection, SourceFile, SourceTile
from components.dataset.picture_digests import picture_digest
from components.records import source_image
from components.records.image_header import MAX_FILE_BYTES
from components.records.mask_png import encode_mask
from components.records.source_image import BadImage, Picture
from components.records.source_mask import read_mask
from components.records.tile_record import Record, serialize
from components.shard.annotation_check import disagreement
from components.shard.stored_size import scaled_counts, scaled_jpeg, scaled_mask, stored_size


@dataclasses.dataclass(frozen=True)
class CheckedTile:
    """A good tile.

    If the dataset stores smaller tiles, valid pixels and histogram are those of the stored tile. Its classes come from
    the masks at full size: a class's pixels are its share there, applied to the valid pixels of the stored tile.

    Attributes:
      serialized: The record as it is in a shard, serialized here because tiles are checked in threads.
      year: The year of the flight; 0 if the layout does not have it.
      width_px, height_px: As stored.
      class_pixels: Valid pixels by class, int64 [C]; all valid pixels for a class given for the whole tile.
      band_histogram: Valid pixels by value, int64 [B, 256].
      picture_digest: Equal for equal RGB files; see picture_digests.py.
      is_16_bit: Whether RGB or NIR had 16 bits a sample.
      remark: What a person should look at, although the tile is kept; empty if nothing.
    """

    record: Record
    serialized: bytes
    year: int
    width_px: int
    height_px: int
    valid_pixels: int
    class_pixels: NDArray[np.int64]
    band_histogram: NDArray[np.int64]
    picture_digest: bytes
    is_16_bit: bool
    remark: str


@dataclasses.dataclass(frozen=True)
class OpenedTile:
    """A tile whose pictures and masks were read and fit each other.

    Attributes:
      valid: Where pixels count, bool [H, W]; at the size of the files, even if the pictures were scaled down.
      remarks: How files were understood that could have been meant otherwise.
    """

    rgb: Picture
    nir: Picture | None
    valid: NDArray[np.bool_]
    remarks: tuple[str, ...] = ()

    def band_histogram(self) -> NDArray[np.int64]:
        """Counts the valid pixels of pictures that were not scaled down by value, int64 [B, 256]."""
        pictures = [self.rgb, self.nir] if self.nir else [self.rgb]
        return np.concatenate([source_image.band_histogram(each.pixels, self.valid) for each in pictures])


def check_tile(tile: SourceTile, inventory: Inventory, read: Callable[[SourceFile], bytes]) -> CheckedTile | Rejection:
    """Reads a tile's files, each once, and checks them.

    Returns:
      The tile, or the reason it is rejected.
    """
    try:
        return _check(tile, inventory, read)
    except BadImage as bad:
        return Rejection(tile.tile_id, str(bad))


def open_tile(
    tile: SourceTile, inventory: Inventory, read: Callable[[SourceFile], bytes], ratio: int = 1
) -> OpenedTile:
    """Reads a tile's files but for its labels, each once, and checks them.

    Args:
      ratio: By which JPEGs are scaled down while they are decoded, see jpeg.decode.

    Raises:
      BadImage: if they cannot be used; the reason begins with the file's role.
    """
    rgb, nir = _pictures(tile, inventory, read, ratio)
    shape = rgb.sides
    remarks = [f"rgb: {rgb.remark}"] if rgb.remark else []
    boundary = _mask(tile.boundary, "boundary", shape, read, remarks)
    mask = _mask(tile.mask, "mask", shape, read, remarks)
    valid = boundary & mask  # [H, W]
    if not valid.any():
        raise BadImage("no valid pixel: boundary and mask leave nothing")
    return OpenedTile(rgb, nir, valid, tuple(remarks))


def _check(tile: SourceTile, inventory: Inventory, read: Callable[[SourceFile], bytes]) -> CheckedTile:
    if unknown := sorted({*tile.labels, *tile.classes} - {*inventory.classes}):
        raise BadImage(f"unknown class {unknown[0]!r}; expected one of {', '.join(inventory.classes)}")

    opened = open_tile(tile, inventory, read)
    rgb, nir, valid, remarks = opened.rgb, opened.nir, opened.valid, [*opened.remarks]
    pixels, nir_pixels = rgb.pixels, nir.pixels if nir else None  # [H, W, 3], [H, W, 1]
    shape = (pixels.shape[0], pixels.shape[1])
    valid_pixels = int(np.count_nonzero(valid))

    stored = stored_size(shape[1], shape[0], inventory.tile_size_px)
    is_smaller = stored != (shape[1], shape[0])
    stored_valid = scaled_mask(valid, stored) if is_smaller else valid
    class_pixels = np.zeros(len(inventory.classes), np.int64)
    mask_pixels: dict[str, int] = {}  # inside the field or not
    # Files, each made at once: as pixels, the masks of a large tile with many classes would take gigabytes.
    label_masks = [b""] * len(inventory.classes) if inventory.label_masks else []
    for index, name in enumerate(inventory.classes):
        if name in tile.classes:
            class_pixels[index] = valid_pixels
        elif name in tile.labels:
            label = _mask(tile.labels[name], f"label {name}", shape, read, remarks)
            inside = label & valid
            class_pixels[index] = np.count_nonzero(inside)
            if label_masks:
                label_masks[index] = _label_mask(scaled_mask(inside, stored) & stored_valid if is_smaller else inside)
            mask_pixels[name] = int(np.count_nonzero(label))

    present = class_pixels >= max(1.0, inventory.min_class_fraction * valid_pixels)
    class_fractions = (class_pixels / valid_pixels).tolist()
    nir_content = b""
    if is_smaller:  # from here on, pixels and counts are those that a model sees
        rgb_content = scaled_jpeg(pixels, stored)
        pixels = source_image.decode_bands(rgb_content, len(RGB_BANDS), source_image.RGB_MODES)
        if nir_pixels is not None:
            nir_content = scaled_jpeg(nir_pixels, stored)
            nir_pixels = source_image.decode_bands(nir_content, 1, source_image.NIR_MODES)
        valid = stored_valid
        if not valid.any():
            raise BadImage(f"no valid pixel is left at {stored[0]}x{stored[1]} px")
        class_pixels = scaled_counts(class_pixels, valid_pixels, int(np.count_nonzero(valid)))
        valid_pixels = int(np.count_nonzero(valid))
    else:
        rgb_content, nir_content = rgb.stored(), nir.stored() if nir else b""
    histogram = source_image.band_histogram(pixels, valid)
    if nir_pixels is not None:
        histogram = np.concatenate([histogram, source_image.band_histogram(nir_pixels, valid)])
    record = Record(
        tile_id=tile.tile_id,
        field_id=tile.field_id,
        rgb=rgb_content,
        nir=nir_content,
        valid_mask=b"" if valid_pixels == valid.size else encode_mask(valid),
        labels=present.astype(float).tolist(),
        class_fractions=class_fractions,
        label_masks=tuple(label_masks),
    )
    return CheckedTile(
        record=record,
        serialized=serialize(record),
        year=year_of(tile.rgb.path),
        width_px=stored[0],
        height_px=stored[1],
        valid_pixels=valid_pixels,
        class_pixels=class_pixels,
        band_histogram=histogram,
        picture_digest=picture_digest(rgb.original or rgb_content),
        is_16_bit=rgb.is_16_bit or (nir is not None and nir.is_16_bit),
        remark="; ".join(filter(None, (*remarks, disagreement(tile.annotated, inventory.classes, mask_pixels)))),
    )


def _pictures(
    tile: SourceTile, inventory: Inventory, read: Callable[[SourceFile], bytes], ratio: int
) -> tuple[Picture, Picture | None]:
    """Returns RGB and NIR; no NIR if the dataset has none."""
    has_nir, is_class_folders = len(inventory.bands) > len(RGB_BANDS), inventory.layout == CLASS_FOLDERS
    modes: Sequence[str] = source_image.RGB_MODES
    if is_class_folders:
        modes = source_image.FOUR_BAND_MODES if has_nir else source_image.ANY_COLOUR_MODES
    content = _content(tile.rgb, "rgb", read)
    lies_alone = is_class_folders and tile.boundary is None and tile.mask is None  # predict takes masks with any image
    with _named("rgb"):
        rgb = source_image.read_picture(
            content,
            len(RGB_BANDS),
            modes,
            max_16_bit=inventory.max_16_bit,
            is_alone=lies_alone,
            takes_nir=is_class_folders and has_nir,
            ratio=ratio,
        )
    if not has_nir:
        return rgb, None
    if is_class_folders:
        nir = rgb.nir_picture()
    elif tile.nir is None:
        raise BadImage("nir: no such file")
    else:
        content = _content(tile.nir, "nir", read)
        with _named("nir"):
            nir = source_image.read_picture(
                content, 1, source_image.NIR_MODES, max_16_bit=inventory.max_16_bit, ratio=ratio
            )
    with _named("nir"):
        _require_shape(nir.sides, rgb.sides)
        if nir.pixels.min() == nir.pixels.max():
            raise BadImage(f"empty band, every pixel is {nir.pixels.min()}")
    return rgb, nir


def _content(file: SourceFile, role: str, read: Callable[[SourceFile], bytes]) -> bytes:
    if file.num_bytes > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES >> 20
        raise BadImage(f"{role}: {file.num_bytes >> 20} MiB, at most {limit} MiB are read")
    return read(file)


def _mask(
    file: SourceFile | None,
    role: str,
    shape: tuple[int, int],
    read: Callable[[SourceFile], bytes],
    remarks: list[str],
) -> NDArray[np.bool_]:
    """Returns a mask, bool [H, W]; all True if there is no such file. Adds to the remarks how it was understood."""
    if file is None:
        return np.ones(shape, np.bool_)
    content = _content(file, role, read)
    with _named(role):
        mask, remark = read_mask(content)
        _require_shape(mask.shape, shape)
    if remark:
        remarks.append(f"{role}: {remark}")
    return mask


def _label_mask(mask: NDArray[np.bool_]) -> bytes:
    """Returns a class's mask as a file; empty if no pixel has the class."""
    return encode_mask(mask) if mask.any() else b""


def _require_shape(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise BadImage(f"{shape[1]}x{shape[0]} px, but the rgb has {expected[1]}x{expected[0]} px")


@contextlib.contextmanager
def _named(role: str) -> Iterator[None]:
    """Prefixes the reason with the file's role."""
    try:
        yield
    except BadImage as bad:
        raise BadImage(f"{role}: {bad}") from bad
