"""Memory for batches, used again as soon as nobody looks at a batch any more.

New memory has to be cleared by the system page by page, which takes a twentieth of the time of decoding a tile into it.
"""

from collections import defaultdict, deque
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_ALIGNMENT = 64  # bytes; at which TensorFlow uses an array as it is, where it would copy another


class BatchMemory:
    """Gives out arrays, and takes their memory back when the last array or tensor that looks into it is gone."""

    def __init__(self) -> None:
        # A deque is safe among threads; by size, of which a reader has one for each part of a batch.
        self._free: defaultdict[int, deque[NDArray[np.uint8]]] = defaultdict(deque)

    def array(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Returns an array with any content, uint8, C-contiguous, that as_tensor can share."""
        num_bytes = int(np.prod(shape))
        free = self._free[num_bytes]
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(num_bytes + _ALIGNMENT, np.uint8)
        return np.asarray(_Loan(memory, -memory.ctypes.data % _ALIGNMENT, shape, free))


class _Loan:
    """What an array stands on: lives as long as any view of it, and then returns the memory."""

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
    """Returns a tensor on the host in the memory of an array of BatchMemory, which must not be written any more."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
