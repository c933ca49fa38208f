"""Makes the formats that were asked for, and refuses those that are not the model.

A refusal costs the version that format and nothing else: the SavedModel has been evaluated, and is verified by itself;
nobody would keep a worse model in production for want of a file that few use. Log and card say why it is missing.
"""

import contextlib
import dataclasses
import functools
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import Evaluation, Export, Manifest, ModelCard
from components.errors import DataError
from components.progress import StepLog
from components.push.exports.converting import converted
from components.push.exports.kinds import CLASSES, MAPS, QGIS, ExportKind, missing_modules
from components.push.exports.places import place_probabilities, shares_of
from components.push.exports.trying import ANSWERS, STRIDE, asked_export
from components.push.sample import KeptAnswers, read_sample
from components.push.verify import sample_batches
from components.records.jpeg import decoder_ratio
from components.records.tile_record import Record
from components.saved_model.answering import MODEL
from components.saved_model.asking import AskedModel, asked_model
from components.saved_model.checked_answers import as_probabilities
from components.saved_model.files import verified_copy
from components.storage.scratch import scratch_folder

_MAP_TILES = 8  # whose places are compared


@dataclasses.dataclass(frozen=True)
class ExportSource:
    """The trained model that formats are made from, and what it was evaluated with.

    Attributes:
      uri, files: Where the model is, and the digests of its files.
    """

    uri: str
    files: Mapping[str, str]
    card: ModelCard
    data_root: str
    manifest: Manifest
    evaluation: Evaluation


def make_exports(
    kinds: Iterable[ExportKind], source: ExportSource, serving_dir: Path, log: StepLog
) -> tuple[Export, ...]:
    """Writes the formats below `serving_dir`; returns what came of each."""
    made = []
    # Not where the model to serve lies, which is verified already: converters write to their folder.
    with scratch_folder("converted") as folder:
        for kind in kinds:
            try:
                export = _made(kind, source, folder, serving_dir)
                log.line(f"{kind.path}: {export.num_bytes:,} bytes, at most {export.difference or 0.0:.1g} off")
            except DataError as error:
                export = Export(kind=kind.name, tolerance=kind.tolerance, problem=str(error))
                log.line(f"no {kind.name}, the model is pushed without it: {error}")
            made.append(export)
    return tuple(made)


def _made(kind: ExportKind, source: ExportSource, converting: Path, serving_dir: Path) -> Export:
    if missing := missing_modules(kind):
        raise DataError(missing)
    if not (converting / MODEL).exists():
        verified_copy(source.uri, source.files, converting / MODEL)
    file, weight_bytes = converted(converting, source.card, kind)
    num_bytes = _size(file)
    if num_bytes < weight_bytes:
        raise DataError(
            f"the file has {num_bytes:,} bytes, expected at least the {weight_bytes:,} of its weights: the converter "
            "lost some"
        )
    with scratch_folder("export") as folder:
        # A copy that the converter's process cannot change: this one is tried, and published.
        shutil.copyfile(file, folder / MODEL)
        file.unlink()
        difference, num_tiles = _compared(kind, source, folder)
        target = serving_dir / kind.path
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / MODEL, target)
    return Export(
        kind=kind.name,
        path=kind.path,
        num_bytes=num_bytes,
        weight_bytes=weight_bytes,
        difference=difference,
        tolerance=kind.tolerance,
        num_tiles=num_tiles,
    )


def _size(file: Path) -> int:
    if not file.is_file() or file.is_symlink():
        raise DataError("its converter wrote no file")
    return os.path.getsize(file)


def _compared(kind: ExportKind, source: ExportSource, folder: Path) -> tuple[float, int]:
    """Returns the largest difference from the evaluated answers, and the number of test tiles.

    Raises:
      DataError: if it is too large, or the file cannot answer.
    """
    card, manifest = source.card, source.manifest
    kept = read_sample(source.data_root, source.evaluation, len(card.classes))
    ratio = decoder_ratio(list(manifest.tile_sizes), card.image_size_px)
    largest, num_tiles = 0.0, 0
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(asked_export(folder, kind, card.bands, card.image_size_px, ratio))
        # The trained model, which is asked about places: an evaluation keeps what it said of whole tiles.
        asked = functools.cache(lambda: stack.enter_context(asked_model(source.uri, source.files)))
        for batch in sample_batches(source.data_root, manifest, set(kept.row_of_tile)):
            if kind.name == QGIS:
                batch = batch[: _MAP_TILES - num_tiles]
                differences = [_of_planes(model, record, card, asked()) for record in batch]
            else:
                differences = _of_tiles(kind, model, batch, kept, asked if num_tiles < _MAP_TILES else None)
            for record, difference in zip(batch, differences, strict=True):
                if not difference <= kind.tolerance:  # also true for NaN
                    raise DataError(
                        f"it answers tile {record.tile_id} {difference:.2g} off, expected at most {kind.tolerance:.0e}"
                    )
            largest, num_tiles = max([largest, *differences]), num_tiles + len(batch)
    if not num_tiles:
        raise DataError("none of the evaluated tiles is in the test shards")
    return largest, num_tiles


def _of_tiles(
    kind: ExportKind,
    model: AskedModel,
    batch: Sequence[Record],
    kept: KeptAnswers,
    asked: Callable[[], AskedModel] | None,
) -> list[float]:
    """Returns the difference for each tile, and of a dense head also for its places if `asked` is given."""
    images = _images(batch)
    found = model.ask(ANSWERS, images)
    expected = kept.probabilities[[kept.row_of_tile[record.tile_id] for record in batch]]
    probabilities = as_probabilities(found, len(batch), expected.shape[1], kind.path)
    differences = np.abs(probabilities - expected).max(axis=1)
    if MAPS in found and asked is not None:
        maps = place_probabilities(asked().maps(images, expected.shape[1]))
        differences = np.maximum(differences, _off(found, MAPS, maps).max(axis=(1, 2, 3)))
    return [float(each) for each in differences]


def _of_planes(model: AskedModel, record: Record, card: ModelCard, asked: AskedModel) -> float:
    """Returns the difference for the pixels of one tile, all of which count."""
    assert card.dense is not None
    images = {**_images([record]), "valid_mask": [b""]}
    maps = asked.maps(images, len(card.classes))
    expected = shares_of(maps, card.dense.thresholds, card.image_size_px)[..., ::STRIDE, ::STRIDE]
    return float(_off(model.ask(ANSWERS, images), CLASSES, expected).max())


def _off(found: Mapping[str, NDArray[np.generic]], name: str, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns how far one of a file's answers is from what was expected.

    Raises:
      DataError: if it is of another kind or shape.
    """
    values = found.get(name)
    if values is None or values.dtype != np.float32 or values.shape != expected.shape:
        what = "nothing" if values is None else f"{values.dtype} {list(values.shape)}"
        raise DataError(f"its {name} must be float32 {list(expected.shape)}, got {what}")
    return np.abs(values.astype(np.float64) - expected)


def _images(batch: Sequence[Record]) -> dict[str, list[bytes]]:
    return {name: [getattr(record, name) for record in batch] for name in ("rgb", "nir", "valid_mask")}
