"""A request of the V2 inference protocol, as JSON or with the binary extension, into the images of its tiles.

With the binary extension the body begins with JSON, whose length the header Inference-Header-Content-Length gives. The
bytes of the inputs that state a `binary_data_size` follow, in the order of the inputs; each element of a BYTES tensor
is its length in four bytes, little-endian, and its content.
"""

import base64
import binascii
import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from components.serve.refusal import Refusal, bad_request, too_large

BINARY_SIZE, BINARY, ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"
CONTENT_TYPE, BASE64 = "content_type", "base64"
BYTES = "BYTES"
MAPS = "maps"  # an output only for who asks for it by name
_LENGTH = struct.Struct("<I")
_MOST_JSON_BYTES_BESIDE_BINARY = 1 << 20
_MOST_OTHER_VALUES = 10_000
_MOST_NAME = 256  # characters of an id

_Parameters: TypeAlias = dict[str, str | int | float | bool | None]


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: _Parameters = {}
    data: tuple[str, ...] | None = None


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameters: _Parameters = {}


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    inputs: tuple[_Input, ...]
    id: str = ""
    parameters: _Parameters = {}
    outputs: tuple[_Output, ...] | None = None


_DECODER = msgspec.json.Decoder(_Request)


@dataclasses.dataclass(frozen=True)
class InferenceRequest:
    """A request that follows the protocol.

    Attributes:
      id: What the client calls it; empty if it has no name.
      images: Image files by input, N each.
      outputs: The outputs it wants, and whether each is wanted binary.
    """

    id: str
    images: Mapping[str, Sequence[bytes]]
    outputs: Mapping[str, bool]

    @property
    def num_tiles(self) -> int:
        """How many tiles it asks about."""
        return len(self.images["rgb"])


def parse_request(
    body: bytes, json_bytes: int | None, inputs: Sequence[str], outputs: Sequence[str], most_tiles: int
) -> InferenceRequest:
    """Returns what a body asks.

    Args:
      json_bytes: The length of its JSON, if it has the binary extension.
      inputs: The inputs that the model takes: those that are needed, then valid_mask.
      outputs: The outputs that a request gets without naming any; it may name `maps` as well.

    Raises:
      Refusal: if it does not follow the protocol, or asks about too many tiles.
    """
    if json_bytes is not None and not 0 < json_bytes <= min(len(body), _MOST_JSON_BYTES_BESIDE_BINARY):
        raise bad_request(
            f"Inference-Header-Content-Length must be between 1 and the bytes of the body, {len(body):,}, got "
            f"{json_bytes:,}"
        )
    _check_size(body, len(body) if json_bytes is None else json_bytes, len(inputs) * most_tiles)
    view = memoryview(body)
    request = _decoded(view if json_bytes is None else view[:json_bytes])
    if len(request.id) > _MOST_NAME:
        raise bad_request(f"id must have at most {_MOST_NAME} characters, got {len(request.id):,}")
    rest = view[len(body) :] if json_bytes is None else view[json_bytes:]
    images: dict[str, list[bytes]] = {}
    for each in request.inputs:
        _check_form(each, images, inputs, most_tiles)
        size = each.parameters.get(BINARY_SIZE)
        if size is None:
            images[each.name] = _from_json(each)
            continue
        if each.data is not None:
            raise bad_request(f"input {each.name} has both data and {BINARY_SIZE}; give one")
        if type(size) is not int or not 0 <= size <= len(rest):
            raise bad_request(
                f"input {each.name}: {BINARY_SIZE} must be between 0 and the {len(rest):,} bytes that are left after "
                f"the JSON and other inputs, got {size!r}"
            )
        images[each.name] = _from_binary(each.name, rest[:size], each.shape[0])
        rest = rest[size:]
    if len(rest):
        raise bad_request(f"{len(rest):,} bytes after the inputs belong to none of them; check {BINARY_SIZE}")
    _check_together(images, inputs)
    return InferenceRequest(request.id, images, _wanted(request, outputs))


def _check_size(body: bytes, json_bytes: int, most_images: int) -> None:
    """Counts the values by their commas: millions of small ones take ten times their bytes, and stop all else."""
    most = most_images + _MOST_OTHER_VALUES
    if (count := body.count(b",", 0, json_bytes)) > most:
        raise too_large(f"the JSON of a request may have {most:,} commas, which is more than any needs, got {count:,}")


def _decoded(content: memoryview) -> _Request:
    try:
        return _DECODER.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise bad_request(f"the JSON is not a request of the V2 inference protocol: {what}") from error


def _check_form(each: _Input, found: Mapping[str, object], inputs: Sequence[str], most_tiles: int) -> None:
    if each.name not in inputs:
        raise bad_request(f"unknown input {each.name!r}; the model takes {', '.join(inputs)}")
    if each.name in found:
        raise bad_request(f"input {each.name} is given twice; give it once")
    if each.datatype != BYTES:
        raise bad_request(f"input {each.name} must have the datatype {BYTES}, got {each.datatype!r}")
    if len(each.shape) != 1 or each.shape[0] < 1:
        raise bad_request(f"input {each.name} must have the shape [number of tiles], got {_shown(each.shape)}")
    if each.shape[0] > most_tiles:
        raise too_large(f"input {each.name}: at most {most_tiles} tiles are taken in a request, got {each.shape[0]:,}")


def _shown(shape: Sequence[int]) -> str:
    return str([*shape[:4]]) if len(shape) <= 4 else f"{len(shape)} dimensions"


def _from_json(each: _Input) -> list[bytes]:
    if each.data is None:
        raise bad_request(f"input {each.name} has no data; expected base64, or {BINARY_SIZE} with bytes after the JSON")
    if each.parameters.get(CONTENT_TYPE) != BASE64:
        raise bad_request(
            f'input {each.name}: images in JSON must be base64, with "parameters": {{"{CONTENT_TYPE}": "{BASE64}"}}; '
            "or use the binary extension"
        )
    if len(each.data) != each.shape[0]:
        raise bad_request(f"input {each.name} must have as many data as its shape says, {each.shape[0]}, got "
                          f"{len(each.data):,}")  # fmt: skip
    try:
        return [base64.b64decode(text, validate=True) for text in each.data]
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"input {each.name}: its data are not base64") from error


def _from_binary(name: str, content: memoryview, num_tiles: int) -> list[bytes]:
    images = []
    for number in range(num_tiles):
        if len(content) < _LENGTH.size:
            raise bad_request(f"{name}[{number}] must begin with its length in 4 bytes, got {len(content)} bytes")
        (length,) = _LENGTH.unpack_from(content)
        content = content[_LENGTH.size :]
        if length > len(content):
            raise bad_request(f"{name}[{number}] must have {length:,} bytes by its length, got {len(content):,}")
        images.append(bytes(content[:length]))
        content = content[length:]
    if len(content):
        raise bad_request(f"{name}: {len(content):,} bytes are left after its {num_tiles} elements")
    return images


def _check_together(images: Mapping[str, Sequence[bytes]], inputs: Sequence[str]) -> None:
    for name in inputs[:-1]:
        if name not in images:
            raise bad_request(f"no input {name}; the model takes {', '.join(inputs[:-1])} and, if wanted, {inputs[-1]}")
    for name, content in images.items():
        if len(content) != len(images["rgb"]):
            raise bad_request(f"input {name} must have as many tiles as rgb, {len(images['rgb'])}, got {len(content)}")


def _wanted(request: _Request, outputs: Sequence[str]) -> dict[str, bool]:
    all_binary = _is_true(ALL_BINARY, request.parameters.get(ALL_BINARY))
    if not request.outputs:
        return dict.fromkeys(outputs, all_binary)
    wanted: dict[str, bool] = {}
    for each in request.outputs:
        if each.name not in (*outputs, MAPS):
            raise bad_request(f"unknown output {each.name!r}; the model has {', '.join((*outputs, MAPS))}")
        if each.name in wanted:
            raise bad_request(f"output {each.name} is asked for twice; ask once")
        wanted[each.name] = _is_true(f"output {each.name}: {BINARY}", each.parameters.get(BINARY, all_binary))
    return wanted


def _is_true(name: str, value: object) -> bool:
    if value is not None and not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false, got {value!r}")
    return bool(value)


__all__ = [
    "ALL_BINARY",
    "BASE64",
    "BINARY",
    "BINARY_SIZE",
    "BYTES",
    "CONTENT_TYPE",
    "MAPS",
    "InferenceRequest",
    "Refusal",
    "parse_request",
]
