"""An answer of the V2 inference protocol: JSON, and after it the outputs that are wanted binary."""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.serve.message import BINARY_SIZE, MAPS

HEADER = "Inference-Header-Content-Length"
_LENGTH = struct.Struct("<I")
_TYPES = {np.dtype(np.float32): "FP32", np.dtype(np.bool_): "BOOL", np.dtype(object): "BYTES"}
DATATYPES = {"probabilities": "FP32", "predicted": "BOOL", "not_sure": "BOOL", "class_names": "BYTES", MAPS: "FP32"}


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A body; `json_bytes` is the length of its JSON if outputs follow in binary form."""

    body: bytes
    json_bytes: int | None = None


def encode_answer(
    name: str, version: str, request_id: str, results: Mapping[str, NDArray[Any]], wanted: Mapping[str, bool]
) -> Encoded:
    """Returns the answer with the wanted outputs.

    Args:
      results: float32, bool or bytes as objects, [N, C] each; maps have places as well, [N, h, w, C].
      wanted: For each wanted output, whether it is wanted binary.
    """
    outputs: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for output, is_binary in wanted.items():
        array = results[output]
        entry: dict[str, Any] = {"name": output, "datatype": _TYPES[array.dtype], "shape": [*array.shape]}
        if is_binary:
            binary.append(_as_bytes(array))
            entry["parameters"] = {BINARY_SIZE: len(binary[-1])}
        else:
            entry["data"] = _as_list(array)
        outputs.append(entry)
    document: dict[str, Any] = {"model_name": name, "model_version": version}
    if request_id:
        document["id"] = request_id
    document |= {"parameters": {"version": version}, "outputs": outputs}
    content = msgspec.json.encode(document)
    if not binary:
        return Encoded(content)
    return Encoded(b"".join([content, *binary]), len(content))


def _as_list(array: NDArray[Any]) -> Sequence[Any]:
    flat: list[Any] = array.ravel().tolist()
    return [text.decode() for text in flat] if array.dtype == object else flat


def _as_bytes(array: NDArray[Any]) -> bytes:
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    return b"".join(_LENGTH.pack(len(text)) + text for text in array.ravel().tolist())
