"""Mutated tiles, and whether who decodes them for a model, who gives it files, and TensorFlow see the same in each."""

import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from jpeg_scans import cut_after_scan, in_scans, lossless
from model_cards import card_of
from mutation_tally import REFUSED, Tally
from mutations import mutations
from numpy.typing import NDArray
from PIL import Image
from small_source import encoded

from components.records.tile_pixels import TilePixels
from components.records.tile_record import Record
from components.serve.decoding import Decoding
from components.serve.refusal import Refusal
from components.serve.tile_checks import check_image_headers

_SIDE = 64
_BANDS = ("red", "green", "blue", "nir")
_MOST_CHARACTERS = 400  # of a refusal
_SAME_AS_PIXELS, _SAME_AS_FILES = "the same pixels", "the same files"


def _pixels(seed: int, num_bands: int) -> NDArray[np.uint8]:
    """A picture of large spots, as a photograph has; of noise, hardly any mutation is seen."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, num_bands), np.uint8)
    return np.asarray(_image(coarse).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)).reshape(_SIDE, _SIDE, num_bands)


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])


def _with_chunk(content: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one chunk more, after its header."""
    added = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return content[:33] + added + content[33:]


def _originals() -> dict[str, tuple[bytes, int]]:
    """Files by name, each with its number of bands; not all are sound."""
    colour, grey = _image(_pixels(0, 3)), _image(_pixels(1, 1))
    progressive = encoded(colour, "JPEG", progressive=True, quality=90)
    png, usual = encoded(colour, "PNG"), encoded(colour, "JPEG", quality=90)
    files = {
        "JPEG": usual,
        "JPEG 4:2:0": encoded(colour, "JPEG", subsampling=2, quality=60),
        "JPEG with restarts": encoded(colour, "JPEG", restart_marker_blocks=2),
        "JPEG of RGB": encoded(colour, "JPEG", keep_rgb=True),
        "JPEG of CMYK": encoded(colour.convert("CMYK"), "JPEG"),
        "progressive JPEG": progressive,
        "progressive JPEG, cut": cut_after_scan(progressive, 4),
        "JPEG in scans": in_scans(_SIDE, _SIDE, [(2, 2), (1, 1), (1, 1)]),
        "JPEG 4:4:1": in_scans(_SIDE, _SIDE, [(1, 4), (1, 1), (1, 1)]),
        "lossless JPEG": lossless(_pixels(2, 3)),
        "two JPEGs": usual + usual,
        "PNG": png,
        "PNG of a palette": encoded(colour.quantize(16), "PNG"),
        "PNG with alpha": encoded(colour.convert("RGBA"), "PNG"),
        "PNG of an unknown kind": _with_chunk(png, b"ABCD", b"x"),
        "PNG with a wide gamut": _with_chunk(png, b"gAMA", struct.pack(">I", 100_000)),
        "WebP": encoded(colour, "WEBP"),
    }
    grey_files = {
        "grey JPEG": encoded(grey, "JPEG", quality=90),
        "grey progressive JPEG": encoded(grey, "JPEG", progressive=True),
        "grey lossless JPEG": lossless(_pixels(3, 1)),
        "grey PNG": encoded(grey, "PNG"),
        "PNG of 16 bits": encoded(Image.fromarray(_pixels(4, 1)[..., 0] * np.uint16(257)), "PNG"),
    }
    return {name: (content, 3) for name, content in files.items()} | {
        name: (content, 1) for name, content in grey_files.items()
    }


def compare_mutations(count: int, seed: int) -> dict[str, Any]:
    """Looks at each kind of file and `count` mutations of it, as RGB or NIR of a tile that is sound but for it."""
    rng, tally = random.Random(seed), Tally()
    decoders = [
        _decoders(size_px, bands) for size_px in (_SIDE, _SIDE // 2, _SIDE // 8) for bands in (_BANDS, _BANDS[:3])
    ]
    sound = {"rgb": encoded(_image(_pixels(5, 3)), "JPEG"), "nir": encoded(_image(_pixels(6, 1)), "JPEG")}
    _by_tensorflow(sound["rgb"], 3, 1)  # so that no mutation is blamed for the time that importing it takes
    for name, (original, num_bands) in _originals().items():
        for content in (original, *mutations(original, count, seed)):
            files = {**sound, "rgb" if num_bands == 3 else "nir": content}
            decoder = rng.choice(decoders if num_bands == 3 else decoders[::2])
            tally.add(name, lambda: _outcome(decoder, files))  # noqa: B023
    return tally.result()


def _decoders(size_px: int, bands: tuple[str, ...]) -> tuple[Decoding, Decoding, int]:
    """Returns what decodes for a model, what leaves files to it, and by how much either scales a JPEG down."""
    card = msgspec.structs.replace(card_of("v"), bands=bands, image_size_px=size_px, stored_px=_SIDE)
    of_pixels, of_files = Decoding(card), Decoding(card)
    of_pixels.gives_pixels = True
    return of_pixels, of_files, _SIDE // size_px


def _outcome(decoder: tuple[Decoding, Decoding, int], files: dict[str, bytes]) -> str:
    of_pixels, of_files, ratio = decoder
    files = {name: files[name] for name in ("rgb", "nir")[: len(of_pixels.checks.bands) - 2]}
    images = {name: [content] for name, content in files.items()}
    if _answered(lambda: check_image_headers(images, of_pixels.checks, 1 << 22, 1 << 22)) is None:
        return REFUSED
    found, expected = (_answered(lambda: each.check(files, 0).tile) for each in (of_pixels, of_files))  # noqa: B023
    assert (found is None) == (expected is None), "refused in one form alone"
    if not isinstance(expected, Record):
        return REFUSED
    pictures = ((expected.rgb, 3), (expected.nir, 1)) if expected.nir else ((expected.rgb, 3),)
    by_tensorflow = [_by_tensorflow(content, num_bands, ratio) for content, num_bands in pictures]
    if not isinstance(found, TilePixels):
        assert found == expected
        return _SAME_AS_FILES
    for own, others in zip((found.rgb, found.nir), by_tensorflow, strict=False):
        np.testing.assert_array_equal(own, others)
    return _SAME_AS_PIXELS


def _answered(check: Callable[[], Any]) -> Any:
    """Returns what a check returns; None if it refuses, after a look that it does so in one line."""
    try:
        return check()
    except Refusal as refusal:
        status, text = refusal.status, str(refusal)
    assert 400 <= status < 500
    assert text.isprintable()
    assert re.match(r"(rgb|nir)\[0\]: ", text)
    assert len(text) <= _MOST_CHARACTERS
    return None


def _by_tensorflow(content: bytes, num_bands: int, ratio: int) -> NDArray[np.uint8]:
    import tensorflow as tf

    from components.records.graph_limits import within_limits

    ratio = ratio if content.startswith(b"\xff\xd8") else 1
    pixels: NDArray[np.uint8] = tf.io.decode_jpeg(
        within_limits(tf.constant(content)), channels=num_bands, ratio=ratio, dct_method="INTEGER_ACCURATE"
    ).numpy()
    return pixels
