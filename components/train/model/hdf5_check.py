"""Checks a weights file, which may come from anywhere, before a value of it is read.

An HDF5 file can point at any other file of this machine and call its bytes an array, can spread one byte over
gigabytes, and can hold itself. A weights file needs none of that: only groups and arrays of its own, and lists of
names.
"""

import contextlib
import functools
import mmap
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

_INSIDE_KERAS = "model.weights.h5"
_MIB = 1 << 20
# A file may also hold the classifier, and two arrays of its optimizer for each weight; more than that is no such file.
_TIMES_THE_NETWORK = 8
_ADDITIONAL_BYTES = 64 * _MIB
_MOST_OBJECTS = 100_000  # the largest backbone has some 5,000
_MOST_TEXT_BYTES = 2048 * _MIB  # of a list of names, at worst; a heap that also holds a model's description has 1 MiB
_HEAP = b"GCOL\x01\0\0\0"  # signature and version of HDF5's global heap; its size follows
_FILTERS = (None, "gzip")  # others may be loaded from a plug-in
_BYTES_AT_ONCE = _MIB


class NotWeights(ValueError):
    """The file holds what no weights file needs; the message names it."""


@contextlib.contextmanager
def open_weights(path: Path, network_bytes: int) -> Iterator[Any]:
    """Yields the h5py.File of a `.h5`, or of the one that a `.keras` holds, after checking it.

    Args:
      network_bytes: What the weights of the network take as float32.

    Raises:
      NotWeights: if it is too large for the network, or holds what no weights file needs; names it.
      OSError, KeyError, zipfile.BadZipFile: if it is damaged.
    """
    most_bytes = _TIMES_THE_NETWORK * network_bytes + _ADDITIONAL_BYTES
    with contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(path):
            path = _unpacked(path, most_bytes, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        if (size := path.stat().st_size) > most_bytes:
            raise NotWeights(f"it has {size:,} bytes, this backbone needs at most {most_bytes:,}")
        file = stack.enter_context(h5py.File(path, "r"))
        _check_objects(file)
        yield file


def _unpacked(path: Path, most_bytes: int, folder: Path) -> Path:
    """Returns a file with the arrays of a `.keras`, and nothing else of it: its configuration may name code."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith(("/", "\\")) or ".." in Path(name.replace("\\", "/")).parts:
                raise NotWeights(f"it holds a file {name!r}, outside the folder that it would be unpacked to")
        target = folder / "weights.h5"
        with archive.open(_INSIDE_KERAS) as packed, target.open("wb") as unpacked:
            _copy(packed, unpacked, most_bytes)
    return target


def _copy(packed: IO[bytes], unpacked: IO[bytes], most_bytes: int) -> None:
    # The size that the archive states is not to be relied on.
    for left in range(most_bytes, -_BYTES_AT_ONCE, -_BYTES_AT_ONCE):
        part = packed.read(_BYTES_AT_ONCE)
        if not part:
            return
        if len(part) > left:
            break
        unpacked.write(part)
    raise NotWeights(
        f"its {_INSIDE_KERAS} unpacks to more than the {most_bytes:,} bytes that this backbone needs at most"
    )


def _check_objects(file: Any) -> None:
    """Walks all groups without following a link, and looks at each array without reading it."""
    waiting, seen = [file], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            where = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                raise NotWeights(f"its {where!r} is a link to elsewhere ({type(link).__name__}), not an array")
            found = group[name]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > _MOST_OBJECTS:
                raise NotWeights(f"it holds more than {_MOST_OBJECTS:,} groups and arrays")
            if isinstance(found, h5py.Group):
                waiting.append(found)
            elif isinstance(found, h5py.Dataset):
                _check_storage(found, where)
            else:
                raise NotWeights(f"its {where!r} is neither a group nor an array")


def _check_storage(array: Any, where: str) -> None:
    if array.id.get_create_plist().get_external_count():
        raise NotWeights(f"its array {where!r} lies in another file ({array.external[0][0]!r})")
    if array.is_virtual:
        raise NotWeights(f"its array {where!r} is put together from other files")
    if array.dtype.kind not in "fiub" and h5py.check_string_dtype(array.dtype) is None:
        raise NotWeights(f"its array {where!r} is of the type {array.dtype}, expected numbers")


def check_array(array: Any, where: str) -> None:
    """Checks that an array can be read in about the memory that its shape says, and that it is of floats.

    Raises:
      NotWeights: if not.
    """
    if not isinstance(array, h5py.Dataset):
        raise NotWeights(f"its {where!r} is not an array")
    if array.dtype.kind != "f":
        raise NotWeights(f"its array {where!r} is of the type {array.dtype}, expected floats")
    if array.compression not in _FILTERS or array.scaleoffset is not None:
        raise NotWeights(f"its array {where!r} is compressed in a way that weights are not")
    chunk_bytes = int(np.prod(array.chunks or (), dtype=np.float64)) * array.dtype.itemsize
    if chunk_bytes > 2 * array.nbytes + _MIB:
        raise NotWeights(f"its array {where!r} of {array.nbytes:,} bytes is stored in blocks of {chunk_bytes:,}")


def finite_values(array: Any, where: str) -> Any:
    """Returns the values of an array that check_array has passed.

    Raises:
      NotWeights: if one is NaN or infinite.
    """
    values = array[()]
    if not np.isfinite(values).all():
        raise NotWeights(f"its array {where!r} has values that are NaN or infinite")
    return values


def names_in(group: Any, attribute: str) -> list[str]:
    """Returns the list of names in an attribute of a group.

    Raises:
      NotWeights: if it is none, or would take much memory.
      KeyError: if there is no such attribute.
    """
    if attribute not in group.attrs:
        raise KeyError(f"no attribute {attribute!r} in {group.name!r}")
    stored = group.attrs.get_id(attribute)
    count = int(np.prod(stored.shape, dtype=np.float64))
    where = f"the attribute {attribute!r} of {group.name!r}"
    if not count:
        return []
    if stored.dtype.kind != "S" and h5py.check_string_dtype(stored.dtype) is None:
        raise NotWeights(f"{where} is of the type {stored.dtype}, expected names")
    # Of variable length, all may be one and the same text, which is long.
    longest = stored.dtype.itemsize if stored.dtype.kind == "S" else _longest_text_in(Path(group.file.filename))
    if count * longest > _MOST_TEXT_BYTES:
        raise NotWeights(f"{where} may have {count:,} names of up to {longest:,} bytes")
    return [name if isinstance(name, str) else bytes(name).decode() for name in np.ravel(group.attrs[attribute])]


def _longest_text_in(path: Path) -> int:
    state = path.stat()
    return _longest_text(path, (state.st_size, state.st_mtime_ns))


@functools.lru_cache(1)
def _longest_text(path: Path, state: tuple[int, int]) -> int:
    """Returns the most bytes that a text of variable length has: those of the largest heap that HDF5 keeps them in."""
    longest = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_HEAP)
        while place >= 0:
            size = content[place + len(_HEAP) : place + len(_HEAP) + 8]
            longest = max(longest, int.from_bytes(size, "little"))
            place = content.find(_HEAP, place + 1)
    return longest
