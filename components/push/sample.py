"""Reads what an evaluation keeps of its first tiles: which they are, and what the model said of them.

Whoever can write under data_root may have written the file, so each array is read only once its kind and size are known
to be those of an evaluation: a few bytes can claim or unpack to any size.
"""

import dataclasses
import hashlib
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Evaluation
from components.errors import DataError

_MOST_TILES = 1_024  # that are read; a sample has 64
_LONGEST_NAME = 1_024  # characters
_MAPS = "candidate_maps"
_MOST_BYTES = 256 << 20  # of a sample; of 4,096 classes it has 5 MB


@dataclasses.dataclass(frozen=True)
class KeptAnswers:
    """What the evaluated model said of some tiles.

    Attributes:
      row_of_tile: By tile id.
      probabilities: float32 [N, C].
      predicted: bool [N, C].
      maps: What a dense head said of the places of the first few, logits, float32 [n, h, w, C]; n is 0 for another.
    """

    row_of_tile: dict[str, int]
    probabilities: NDArray[np.float32]
    predicted: NDArray[np.bool_]
    maps: NDArray[np.float32]


def read_sample(data_root: str, evaluation: Evaluation, num_classes: int) -> KeptAnswers:
    """Returns the answers that an evaluation kept of its first tiles; one of an earlier version kept all in one file.

    Raises:
      DataError: if they are missing, or not those of the evaluation.
    """
    uri = storage.join(data_root, evaluation.sample_path or evaluation.predictions_path)
    way_out = f"{storage.delete_it(data_root, uri)} and run the pipeline again, which evaluates the model again"
    num_bytes = storage.size(uri) or 0
    if evaluation.sample_path and num_bytes > _MOST_BYTES:
        raise DataError(f"{uri!r} has {num_bytes:,} bytes, and a sample at most {_MOST_BYTES:,}; {way_out}")
    try:
        with storage.local_copy(uri) as local:
            if evaluation.sample_path:
                _check_digest(local, uri, evaluation.sample_sha256, way_out)
            return _kept_answers(local, num_classes)
    except FileNotFoundError as error:
        raise DataError(f"{uri!r} is missing; run the pipeline again, which evaluates the model again") from error
    except _Unreadable as error:
        raise DataError(f"{uri!r} is not what an evaluation keeps: {error}; {way_out}") from error


class _Unreadable(ValueError):
    """The file is no archive of the expected arrays; the message says why."""


def _check_digest(local: Path, uri: str, expected: str, way_out: str) -> None:
    with local.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != expected:
        raise DataError(f"{uri!r} has sha256 {found[:16]}…, expected {expected[:16]}…; {way_out}")


def _kept_answers(local: Path, num_classes: int) -> KeptAnswers:
    try:
        with zipfile.ZipFile(local) as archive:
            names = _array(archive, "tile_ids", lambda dtype: dtype.kind == "U", ())
            probabilities = _array(archive, "candidate", lambda dtype: dtype == np.float32, (num_classes,))
            predicted = _array(archive, "candidate_predicted", lambda dtype: dtype == np.bool_, (num_classes,))
            has_maps = f"{_MAPS}.npy" in archive.namelist()
            maps = _maps(archive, num_classes) if has_maps else np.zeros((0, 1, 1, num_classes), np.float32)
            rows = {str(name): row for row, name in enumerate(names)}
    except (_Unreadable, OSError):
        raise
    except Exception as error:  # whatever zipfile and NumPy say of bytes that somebody made up
        raise _Unreadable(f"{type(error).__name__}: {error}") from error
    for name, array in (("candidate", probabilities), ("candidate_predicted", predicted)):
        if len(array) != len(names):
            raise _Unreadable(f"it has {len(array):,} rows of {name} for {len(names):,} tiles")
    return KeptAnswers(rows, probabilities, predicted, maps)


def _maps(archive: zipfile.ZipFile, num_classes: int) -> NDArray[np.float32]:
    """Returns the maps, whose number of places is not known before."""
    with archive.open(f"{_MAPS}.npy") as file:
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
    is_right = len(shape) == 4 and min(shape) > 0 and shape[3] == num_classes
    if not is_right or shape[0] > _MOST_TILES or math.prod(shape) * 4 > _MOST_BYTES:
        raise _Unreadable(f"{_MAPS} is {list(shape)}")
    return _array(archive, _MAPS, lambda dtype: dtype == np.float32, shape[1:])


def _array(
    archive: zipfile.ZipFile, name: str, is_right: Callable[[np.dtype[Any]], bool], columns: tuple[int, ...]
) -> NDArray[Any]:
    """Returns the first rows of an array, [n, *columns]."""
    with archive.open(f"{name}.npy") as file:
        if (version := np.lib.format.read_magic(file)) != (1, 0):
            raise _Unreadable(f"{name} has the format {version}")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        is_short = dtype.itemsize <= np.dtype(("U", _LONGEST_NAME)).itemsize
        if not is_right(dtype) or not is_short or not shape or shape[0] < 0 or shape[1:] != columns:
            raise _Unreadable(f"{name} is {dtype} {list(shape)}")
        if is_fortran and shape[0] > _MOST_TILES:
            raise _Unreadable(f"{name} has {shape[0]:,} rows, at most {_MOST_TILES:,} are read")
        rows = (min(shape[0], _MOST_TILES), *columns)
        num_bytes = math.prod(rows) * dtype.itemsize
        content = file.read(num_bytes)
        if len(content) != num_bytes:
            raise _Unreadable(f"{name} is cut short")
        return np.frombuffer(content, dtype).reshape(rows, order="F" if is_fortran else "C")
