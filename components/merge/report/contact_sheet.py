"""The contact sheet of the data report: example tiles of each class, with every band and mask."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from components import report, storage
from components.agrivision import RGB_BANDS
from components.contracts import Inventory, SourceFile, SourceTile
from components.errors import DataError
from components.records import source_image
from components.records.record_file import read_records
from components.records.source_image import BadImage
from components.records.source_mask import decode_mask
from components.records.tile_record import deserialize

_TILES_PER_CLASS = 2
_THUMBNAIL_PX = 160  # six in a row on a wide page; 10 kB each
_THIS_CLASS, _OTHER_CLASSES = (255, 140, 0), (0, 170, 255)  # orange and blue, distinct for colour-blind readers
_NDVI_LIMIT = 0.5  # the tiles hold camera brightness, not reflectance, so few values lie beyond

Pixels = NDArray[np.uint8]


class ClassExample(msgspec.Struct, frozen=True, kw_only=True):
    """A tile chosen to show a class; `fractions` has the share of each of its classes, in 0..1."""

    tile_id: str
    field_id: str
    rgb: bytes
    nir: bytes
    fractions: dict[str, float]


def contact_sheet(
    inventory: Inventory, examples: Mapping[str, Sequence[ClassExample]], sources: Mapping[str, SourceTile]
) -> list[str]:
    """Returns the blocks of the section.

    Args:
      examples: By class, from choose_class_examples.
      sources: The examples' tiles by id, for labels and masks, which appear if the source still has them.
    """
    blocks = [report.heading("Contact sheet")]
    if len(inventory.bands) == len(RGB_BANDS):
        pictures = [
            (_thumbnail(source_image.decode_bands(example.rgb, 3, source_image.ANY_COLOUR_MODES)), name)
            for name, chosen in examples.items()
            for example in chosen
        ]
        return [*blocks, report.gallery(pictures)]
    blocks.append(
        report.paragraph(
            "The tiles with the most of a class, from the first shard that has it. "
            f"NDVI runs from {-_NDVI_LIMIT} (red) to {_NDVI_LIMIT} (green). Labels: the class in orange, others in "
            "blue. Boundary and mask: white pixels are valid; left out where all are."
        )
    )
    for position, (name, chosen) in enumerate(examples.items()):
        sheet = []
        for example in chosen:
            others = [f"{label} {share:.0%}" for label, share in example.fractions.items() if label != name]
            also = f", also {', '.join(others)}" if others else ""
            note = f"{example.fractions[name]:.0%} of the valid pixels{also} — {example.tile_id}"
            sheet.append(report.subheading("", note))
            sheet.append(report.gallery(_pictures(name, example, sources[example.tile_id], inventory.source_uri)))
        tiles = f"{len(chosen)} tile{'' if len(chosen) == 1 else 's'}"
        blocks.append(report.folded(name, tiles, sheet, is_open=not position))
    return blocks


def choose_class_examples(
    classes: Sequence[str], first_shard: Mapping[str, str], data_root: str
) -> dict[str, list[ClassExample]]:
    """Returns, by class, the tiles with the most of it in the first shard that has it, each from a different field.

    Args:
      first_shard: The path of that shard under data_root, by class; a class without tiles is left out.
    """
    classes_by_shard: dict[str, list[str]] = {}
    for name in classes:
        if name in first_shard:
            classes_by_shard.setdefault(first_shard[name], []).append(name)
    chosen: dict[str, list[ClassExample]] = {}
    for path, names in classes_by_shard.items():
        best: dict[str, dict[str, ClassExample]] = {name: {} for name in names}  # by class, then by field
        for example in _read_shard(data_root, path, classes):
            for name in names:
                share = example.fractions.get(name, 0.0)
                rival = best[name].get(example.field_id)
                if share and (rival is None or share > rival.fractions[name]):
                    best[name][example.field_id] = example
                    if len(best[name]) > _TILES_PER_CLASS:  # the images of all fields would not fit into memory
                        best[name].pop(min(best[name], key=lambda field_id: best[name][field_id].fractions[name]))
        for name in names:
            chosen[name] = sorted(best[name].values(), key=lambda each: (-each.fractions[name], each.tile_id))
    return {name: chosen[name] for name in classes if name in chosen}


def _read_shard(data_root: str, path: str, classes: Sequence[str]) -> Iterator[ClassExample]:
    uri = storage.join(data_root, path)
    try:
        with storage.local_copy(uri) as local:
            for serialized in read_records(local):
                record = deserialize(serialized, len(classes))
                yield ClassExample(
                    tile_id=record.tile_id,
                    field_id=record.field_id,
                    rgb=record.rgb,
                    nir=record.nir,
                    fractions={
                        name: share
                        for name, share, present in zip(classes, record.class_fractions, record.labels, strict=True)
                        if present
                    },
                )
    except (FileNotFoundError, ValueError) as error:
        advice = f"{storage.delete_it(data_root, uri)} and run the pipeline again"
        raise DataError(f"shard {uri!r} is gone or damaged ({error}); {advice}") from error


def _pictures(name: str, example: ClassExample, source: SourceTile, source_uri: str) -> list[tuple[Pixels, str]]:
    """Returns RGB, NIR, NDVI and labels, and boundary and mask unless all pixels are valid, each with its caption.

    They are uint8 [S, S, 3] or [S, S].
    """
    rgb = _thumbnail(source_image.decode_bands(example.rgb, 3, source_image.RGB_MODES))
    nir = _thumbnail(source_image.decode_bands(example.nir, 1, source_image.NIR_MODES))
    size = (rgb.shape[0], rgb.shape[1])
    # Dimmed, to make the colours of the labels stand out.
    overlay = (0.55 * rgb.mean(axis=-1, keepdims=True) + 0.25 * rgb).astype(np.uint8)
    for label in sorted(example.fractions, key=lambda each: each == name):  # the class itself last, on top
        mask = _mask(source.labels.get(label), source_uri, size)
        if mask is not None:
            colour = np.array(_THIS_CLASS if label == name else _OTHER_CLASSES)
            overlay[mask > 127] = (0.35 * overlay[mask > 127] + 0.65 * colour).astype(np.uint8)
    pictures = [(rgb, "RGB"), (nir, "NIR"), (ndvi(rgb, nir), "NDVI"), (overlay, "labels")]
    for caption, file in (("boundary", source.boundary), ("mask", source.mask)):
        mask = _mask(file, source_uri, size)
        if mask is not None and not mask.all():  # all white says nothing: every pixel is valid
            pictures.append((mask, caption))
    return pictures


def ndvi(rgb: Pixels, nir: Pixels) -> Pixels:
    """Returns the normalized difference vegetation index as a colour image.

    Args:
      rgb: uint8 [H, W, 3].
      nir: uint8 [H, W].

    Returns:
      uint8 [H, W, 3].
    """
    red, infrared = rgb[..., 0].astype(float), nir.astype(float)
    index = (infrared - red) / np.maximum(infrared + red, 1)  # [H, W], in -1..1
    coloured = colormaps["RdYlGn"]((index + _NDVI_LIMIT) / (2 * _NDVI_LIMIT), bytes=True)  # [H, W, 4]
    return np.ascontiguousarray(coloured[..., :3])


def _mask(file: SourceFile | None, source_uri: str, size: tuple[int, int]) -> Pixels | None:
    """Returns a thumbnail, 0 or 255 per pixel; None if there is no such file, or it is gone."""
    if file is None:
        return None
    try:
        mask = decode_mask(storage.read_bytes(storage.join(source_uri, file.path)))
    except (OSError, BadImage):
        return None
    image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.NEAREST))


def _thumbnail(pixels: Pixels) -> Pixels:
    """Returns uint8 [H, W, 3], or [H, W] for one band, at most _THUMBNAIL_PX on each side."""
    image = Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0])
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    return np.asarray(image)
