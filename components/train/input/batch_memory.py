"""Memory for batches, reused as soon as a batch is no longer referenced.

The system must clear new memory page by page, which takes a twentieth of the time of decoding a tile into it.
"""

from collections import defaultdict, deque
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_ALIGNMENT = 64  # bytes; TensorFlow copies arrays with a smaller alignment


class BatchMemory:
    """Hands out arrays, and takes their memory back when the last array or tensor that uses it is gone."""

    def __init__(self) -> None:
        # Free memory by size in bytes; a reader needs one size per part of a batch. A deque is thread-safe.
        self._free: defaultdict[int, deque[NDArray[np.uint8]]] = defaultdict(deque)

    def array(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Returns a C-contiguous uint8 array with arbitrary content, whose memory as_tensor can share."""
        num_bytes = int(np.prod(shape))
        free = self._free[num_bytes]
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(num_bytes + _ALIGNMENT, np.uint8)
        return np.asarray(_Loan(memory, -memory.ctypes.data % _ALIGNMENT, shape, free))


class _Loan:
    """Owner of an array's memory: lives as long as any view of it, and then returns the memory."""

    def __init__(
        self, memory: NDArray[np.uint8], start: int, shape: tuple[int, ...], free: deque[NDArray[np.uint8]]
    ) -> None:
        self._memory, self._free = memory, free
        self.__array_interface__: dict[str, Any] = {
            "data": (memory.ctypes.data + start, False),
            "shape": shape,
            "typestr": "|u1",
            "version": 3,
        }

    def __del__(self) -> None:
        self._free.append(self._memory)


def as_tensor(array: NDArray[np.uint8] | NDArray[np.float32]) -> tf.Tensor:
    """Returns a host tensor that shares the memory of an array of BatchMemory; do not write to the array afterwards."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
