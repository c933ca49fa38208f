"""What a process that asks a model and the process that runs it send each other: a length, then a message of it."""

import math
from collections.abc import Mapping
from typing import IO, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

_LENGTH_BYTES = 4
LARGEST_REQUEST_BYTES = 1 << 30  # a batch of 32 tiles has some 6 MB
LARGEST_REPLY_BYTES = 16 << 20  # by the process that is not trusted
_KINDS = {"float32": np.float32, "bool": np.bool_}


class Array(msgspec.Struct, frozen=True):
    """An array; `text` instead of `content` if it holds text."""

    shape: tuple[int, ...]
    kind: str
    content: bytes = b""
    text: tuple[bytes, ...] = ()

    def values(self) -> NDArray[np.generic]:
        """Returns the array.

        Raises:
          ValueError: if its content does not have the size of its shape, or it is of another kind.
        """
        if self.kind == "text":
            # As objects: an array of bytes would give every text the room of the longest.
            return np.array(self.text, object).reshape(self.shape)
        if self.kind not in _KINDS:
            raise ValueError(f"an array of the kind {self.kind!r}")
        return np.frombuffer(self.content, _KINDS[self.kind]).reshape(self.shape)


class Request(msgspec.Struct, frozen=True):
    """A batch of N tiles for one function of the model.

    Attributes:
      images: Image files by the name of the argument that takes them, N each.
      pixels: The shapes of arrays of uint8 by the name of the argument; their bytes follow the message, in this order.
      is_small: Whether there is memory to work on it beside another such one.
    """

    function: str
    images: dict[str, tuple[bytes, ...]] = {}
    pixels: dict[str, tuple[int, ...]] = {}
    is_small: bool = False


class Reply(msgspec.Struct, frozen=True):
    """What the function returned, by name; or why it did not. The first reply is about loading the model.

    Attributes:
      arguments: In the first reply, the names of each function's arguments.
    """

    error: str = ""
    results: dict[str, Array] = {}
    arguments: dict[str, tuple[str, ...]] = {}


_T = TypeVar("_T")


def send(pipe: IO[bytes], message: msgspec.Struct) -> None:
    """Writes a message."""
    content = msgspec.msgpack.encode(message)
    pipe.write(len(content).to_bytes(_LENGTH_BYTES, "big"))
    pipe.write(content)
    pipe.flush()


def send_pixels(
    pipe: IO[bytes], function: str, pixels: Mapping[str, NDArray[np.uint8]], *, is_small: bool = False
) -> None:
    """Writes a request with arrays, whose bytes are not copied on the way."""
    send(pipe, Request(function, pixels={name: array.shape for name, array in pixels.items()}, is_small=is_small))
    for array in pixels.values():
        pipe.write(np.ascontiguousarray(array).data)
    pipe.flush()


def receive_request(pipe: IO[bytes]) -> tuple[Request, dict[str, NDArray[np.uint8]]] | None:
    """Returns the next request with its arrays, or None if the other side has ended.

    Raises:
      ValueError: if it is no request, or longer than LARGEST_REQUEST_BYTES.
    """
    request = receive(pipe, Request, LARGEST_REQUEST_BYTES)
    if request is None:
        return None
    if (num_bytes := sum(math.prod(shape) for shape in request.pixels.values())) > LARGEST_REQUEST_BYTES:
        raise ValueError(f"a message of {num_bytes:,} bytes")
    arrays = {name: np.empty(shape, np.uint8) for name, shape in request.pixels.items()}
    for array in arrays.values():
        if pipe.readinto(array.reshape(-1).data) < array.size:  # type: ignore[attr-defined]
            return None
    return request, arrays


def receive(pipe: IO[bytes], kind: type[_T], most_bytes: int) -> _T | None:
    """Returns the next message, or None if the other side has ended.

    Raises:
      ValueError: if it is no such message, or longer than `most_bytes`.
    """
    length = int.from_bytes(pipe.read(_LENGTH_BYTES), "big")
    if length > most_bytes:
        raise ValueError(f"a message of {length:,} bytes")
    content = pipe.read(length)
    if not length or len(content) < length:
        return None
    try:
        return msgspec.msgpack.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
