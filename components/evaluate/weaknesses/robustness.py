"""Asks the candidate again about some test tiles whose images were changed: what do its answers depend on?

The images are changed at the size to which the model's own decoder scales them (see jpeg.decoder_ratio), and encoded
without loss, so that nothing else differs. Whether that holds is measured: the same pixels, encoded anew, must get the
same answers. If they do not, the changes say nothing, and the report says so in place of numbers. JPEG is encoded at
full size, for the model to decode as it does all others.
"""

import concurrent.futures
import dataclasses
import functools
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from components.agrivision import RGB_BANDS
from components.contracts import Manifest, Robustness, RobustnessRow
from components.records import jpeg
from components.records.image_header import DamagedImage
from components.records.mask_png import encode_mask, packed_mask
from components.records.tile_record import Record
from components.scoring.field_effects import macro_effects, total_macro_f1
from components.scoring.field_sums import count
from components.scoring.sign_flips import interval

NO_NIR, DARKENED, NIR_SHIFTED, SHIFTED, JPEG_50 = "no NIR", "darkened", "NIR shifted", "shifted", "JPEG quality 50"
MEANINGS: Mapping[str, str] = {
    NO_NIR: "NIR is a plane of its mean over the training tiles, which says nothing",
    NIR_SHIFTED: "NIR lies one pixel to the right of RGB, and one below",
    DARKENED: "all bands times 0.7",
    SHIFTED: "the whole tile, with its valid mask, lies one pixel to the right and one below",
    JPEG_50: "RGB and NIR are compressed once more, as JPEG of quality 50",
}
TOLERANCE = 1e-5  # of a probability, as for the served model in push/verify.py
_DARKER, _QUALITY = 0.7, 50
_BATCH_SIZE = 32
_PNG_LEVEL = 1  # a fifth of the time of the default
_ONE_SIDE = 0.025
MOST_TILES, _FEWEST_TILES = 512, 12
FEWEST_FIELDS = 8  # if there are as many
# A changed tile costs about two answers, one of them for changing it, and there are six: so many answers for a tile.
_COST = 12
_SHARE = 0.2

Answer: TypeAlias = Callable[[Sequence[Record]], NDArray[np.float32]]
Decide: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.bool_]]


@dataclasses.dataclass(frozen=True)
class AskedTiles:
    """The tiles to ask about again.

    Attributes:
      labels: [n, C].
      probabilities: What the model said of them, [n, C].
      units: Their fields, [n].
    """

    records: Sequence[Record]
    labels: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    units: NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class _Tile:
    """A tile as the model's decoder sees it: RGB uint8 [h, w, 3], and NIR uint8 [h, w, 1] if there is any."""

    record: Record
    bands: Sequence[NDArray[np.uint8]]

    def encoded(self, *bands: NDArray[np.uint8], mask: bytes | None = None) -> Record:
        """Returns the tile with these bands, or its own, without loss, and with this mask, or its own."""
        rgb, *nir = map(_png, bands or self.bands)
        valid_mask = self.record.valid_mask if mask is None else mask
        return dataclasses.replace(self.record, rgb=rgb, nir=nir[0] if nir else b"", valid_mask=valid_mask)


def num_asked(num_answered: int) -> int:
    """Returns how many tiles to ask about again, where the evaluation has answered so many: 12 to 512.

    As many as take a fifth of the evaluation's time by their number: a tile is answered six times, and changing it
    takes as long as an answer of a small network. Fewer than 12 would tell nothing; they are within that fifth as well,
    because loading the model and the report take as long as the answers of such an evaluation. By their number, and
    not by a clock, because a repeated evaluation must say the same.
    """
    return int(np.clip(num_answered * _SHARE / _COST, _FEWEST_TILES, MOST_TILES))


def judge_robustness(
    tiles: AskedTiles, answer: Answer, decide: Decide, manifest: Manifest, image_size_px: int
) -> Robustness | None:
    """Returns what became of the answers; None if there are no tiles.

    Args:
      answer: Gives the probabilities of a batch, in the way that `tiles.probabilities` were made.
      decide: The classes that are predicted at some probabilities.

    Raises:
      DataError: if the model breaks down.
    """
    if not len(tiles.records):
        return None
    units, of_tile = np.unique(tiles.units, return_inverse=True)
    predicted = decide(tiles.probabilities)
    unchanged = count(tiles.labels, predicted, of_tile, len(units))
    result = Robustness(
        num_tiles=len(tiles.records), num_fields=len(units), macro_f1=total_macro_f1(unchanged), control=0.0
    )
    try:
        answers, control = _ask(tiles, answer, manifest, image_size_px)
    except DamagedImage as error:  # which the model could read
        return msgspec.structs.replace(result, note=f"A tile cannot be decoded to change it: {error}.")
    result = msgspec.structs.replace(result, control=control)
    if not answers:
        return msgspec.structs.replace(
            result,
            note=f"The same pixels, encoded anew, got answers up to {control:.2g} off, expected at most "
            f"{TOLERANCE:.0e}: the model's decoder is not the one known here, and what it says of changed images "
            "would tell nothing.",
        )
    rows = []
    for change, probabilities in answers.items():
        guess = decide(probabilities)
        changed = count(tiles.labels, guess, of_tile, len(units))
        effects = macro_effects(changed, unchanged)
        rows.append(
            RobustnessRow(
                change=change,
                meaning=MEANINGS[change],
                macro_f1=total_macro_f1(changed),
                difference=(effects.difference, *interval(effects, _ONE_SIDE)),
                changed_decisions=float((guess != predicted).mean()),
                changed_tiles=float((guess != predicted).any(axis=1).mean()),
            )
        )
    return msgspec.structs.replace(result, rows=tuple(rows))


def _ask(
    tiles: AskedTiles, answer: Answer, manifest: Manifest, image_size_px: int
) -> tuple[dict[str, NDArray[np.float32]], float]:
    """Returns the answers by change, and by how much the control is off; no answers if that is too much."""
    ratio = jpeg.decoder_ratio(list(manifest.tile_sizes), image_size_px)
    changes = _changes(manifest)
    answers: dict[str, list[NDArray[np.float32]]] = {name: [] for name in changes}
    control = 0.0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        for start in range(0, len(tiles.records), _BATCH_SIZE):
            here = slice(start, start + _BATCH_SIZE)
            decoded = list(threads.map(functools.partial(_decoded, ratio=ratio), tiles.records[here]))
            again = answer(list(threads.map(_Tile.encoded, decoded)))
            off = float(np.abs(again - tiles.probabilities[here]).max())
            if not off <= TOLERANCE:  # also true for NaN
                return {}, off
            control = max(control, off)
            for name, change in changes.items():
                answers[name].append(answer(list(threads.map(change, decoded))))
    return {name: np.concatenate(batches) for name, batches in answers.items()}, control


def _changes(manifest: Manifest) -> dict[str, Callable[[_Tile], Record]]:
    """Returns the changes that can be made to tiles of these bands, by name."""
    changes: dict[str, Callable[[_Tile], Record]] = {
        DARKENED: lambda tile: tile.encoded(*map(_darkened, tile.bands)),
        SHIFTED: lambda tile: tile.encoded(*map(_shifted, tile.bands), mask=_shifted_mask(tile)),
        JPEG_50: _compressed,
    }
    if len(manifest.bands) > len(RGB_BANDS):
        of = manifest.splits.get("train") or manifest.splits["test"]
        mean = round(of.band_mean[len(RGB_BANDS)] * 255)
        changes = {
            NO_NIR: lambda tile: tile.encoded(tile.bands[0], np.full_like(tile.bands[1], mean)),
            NIR_SHIFTED: lambda tile: tile.encoded(tile.bands[0], _shifted(tile.bands[1])),
        } | changes
    return changes


def _decoded(record: Record, ratio: int) -> _Tile:
    bands = [jpeg.decode(record.rgb, 3, ratio)]
    if record.nir:
        bands.append(jpeg.decode(record.nir, 1, ratio))
    return _Tile(record, bands)


def _darkened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (pixels * np.float32(_DARKER)).round().astype(np.uint8)


def _shifted(pixels: NDArray[Any], by: int = 1) -> NDArray[Any]:
    """Returns pixels [h, w, ...] moved to the right and down; the first rows and columns are repeated."""
    height, width = pixels.shape[:2]
    rows, columns = (np.maximum(np.arange(side) - by, 0) for side in (height, width))
    return pixels[rows][:, columns]


def _shifted_mask(tile: _Tile) -> bytes:
    """Returns the valid mask, moved as far as the pixels, which may be fewer."""
    if not tile.record.valid_mask:
        return b""
    packed, width = packed_mask(tile.record.valid_mask)
    mask = np.unpackbits(packed, axis=1, count=width).astype(np.bool_)
    return encode_mask(_shifted(mask, max(1, width // tile.bands[0].shape[1])))


def _compressed(tile: _Tile) -> Record:
    record = tile.record
    rgb = simplejpeg.encode_jpeg(
        np.ascontiguousarray(jpeg.decode(record.rgb, 3)), _QUALITY, "RGB", colorsubsampling="420"
    )
    nir = record.nir and simplejpeg.encode_jpeg(
        np.ascontiguousarray(jpeg.decode(record.nir, 1)), _QUALITY, "GRAY", colorsubsampling="Gray"
    )
    return dataclasses.replace(record, rgb=rgb, nir=nir)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels if pixels.shape[-1] == len(RGB_BANDS) else pixels[..., 0])
    image.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()
