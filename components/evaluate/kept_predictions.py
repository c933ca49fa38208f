"""What an evaluation keeps of each tile, for people and for push.

`evaluations/<sha256>/predictions.npz` has all, and NumPy reads one array of it at a time; it is written as a stream,
so it may be larger than memory. `sample.npz` beside it has the first tiles, for push, which asks the model to serve
about them and must not read all for it; of a dense head, it also has the maps of a few. The folder is named by the
content of predictions.npz, by these maps, and by what all was made of, from which all other files in it follow: of two
datasets whose classes have other names, say, all tiles may get the same answers. Each file appears whole.
"""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.errors import naming_place
from components.evaluate.judged import Judged
from components.evaluate.reading.columns import ROWS_AT_ONCE, forget
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.reading.tile_names import Names, as_texts

SAMPLE_TILES = 64
MAPS = "candidate_maps"
_PREDICTIONS, _SAMPLE = "predictions.npz", "sample.npz"


def write_predictions(
    data_root: str,
    scratch: Path,
    tiles: SplitColumns,
    judged: Mapping[str, Judged],
    logits: NDArray[np.float32],
    made_of: str,
    maps: NDArray[np.float32] | None = None,
) -> tuple[tuple[str, str], tuple[str, str]]:
    """Writes both files; returns the path under `data_root` and the sha256 of each, the sample last.

    Args:
      scratch: An existing local folder.
      judged: By model.
      logits: The candidate's, float32 [N, C].
      made_of: Names dataset and training.
      maps: A dense head's, logits of the first few tiles, [n, h, w, C], for the sample.
    """
    columns = {"positions": tiles.positions, "labels": tiles.labels, "candidate_logits": logits}
    for name, model in judged.items():
        columns |= {
            name: model.probabilities,
            f"{name}_predicted": model.predicted,
            f"{name}_thresholds": np.array(model.thresholds),
        }
    local = scratch / _PREDICTIONS
    with naming_place(local), zipfile.ZipFile(local, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, names in (("tile_ids", tiles.tile_ids), ("field_ids", tiles.field_ids)):
            with _member(archive, name, zipfile.ZIP_DEFLATED) as file:
                _write_names(file, names)
        for name, array in columns.items():
            with _member(archive, name, zipfile.ZIP_STORED) as file:
                _write_array(file, array)
    with local.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    sha256 = digest.hexdigest()
    digest.update(made_of.encode())
    if maps is not None:  # which no answer for a tile follows from to the last bit
        digest.update(np.ascontiguousarray(maps).tobytes())
    folder = f"evaluations/{digest.hexdigest()[:16]}"
    few = slice(0, SAMPLE_TILES)
    sample = {
        name: array if name.endswith("_thresholds") else np.ascontiguousarray(array[few])
        for name, array in columns.items()
    } | ({} if maps is None else {MAPS: maps})
    with naming_place(scratch / _SAMPLE), (scratch / _SAMPLE).open("wb") as file:
        first = tiles.tile_ids.some(0, SAMPLE_TILES)
        np.savez(file, tile_ids=as_texts(first, max(map(len, first), default=0)), **sample)  # type: ignore[arg-type]
    sample_sha256 = hashlib.sha256((scratch / _SAMPLE).read_bytes()).hexdigest()
    paths = f"{folder}/{_PREDICTIONS}", f"{folder}/{_SAMPLE}"
    for path in paths[::-1]:
        storage.upload_once(scratch / path.rpartition("/")[2], storage.join(data_root, path))
    return (paths[0], sha256), (paths[1], sample_sha256)


def _member(archive: zipfile.ZipFile, name: str, compression: int) -> IO[bytes]:
    info = zipfile.ZipInfo(f"{name}.npy")  # of 1980, so that equal content gives equal bytes
    info.compress_type = compression
    return archive.open(info, "w", force_zip64=True)


def _write_header(file: IO[bytes], dtype: np.dtype[Any], shape: Sequence[int]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": len(shape) > 1, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _write_array(file: IO[bytes], array: NDArray[Any]) -> None:
    _write_header(file, array.dtype, array.shape)
    for column in _columns(array):
        for first in range(0, len(column), ROWS_AT_ONCE):
            file.write(np.ascontiguousarray(column[first : first + ROWS_AT_ONCE]).tobytes())
        forget(array)


def _columns(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    yield from [array] if array.ndim == 1 else (array[:, column] for column in range(array.shape[1]))


def _write_names(file: IO[bytes], names: Names) -> None:
    """Writes names as an array of texts; most of it is padding, which compression takes out."""
    _write_header(file, as_texts([], names.longest).dtype, [len(names)])
    for first in range(0, len(names), ROWS_AT_ONCE):
        file.write(as_texts(names.some(first, first + ROWS_AT_ONCE), names.longest).tobytes())
