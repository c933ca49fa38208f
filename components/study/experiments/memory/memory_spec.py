"""One training of the memory experiment, as data: which way it holds its tiles, how many, and under what limit."""

from typing import Literal, TypeAlias

import msgspec

# Our reader; a Python generator that holds a batch; a function that returns all tiles at once.
Way: TypeAlias = Literal["reader", "generator", "load_everything"]
WAYS: tuple[Way, ...] = ("reader", "generator", "load_everything")
BATCH_SIZE = 16
TILE_SIZE_PX = 512  # the dataset's own
DECODED_BYTES = TILE_SIZE_PX**2 * 3 * 4  # of a tile as a network takes it, RGB in float32
OUT_OF_MEMORY = 77  # exit code of a process that got less memory than it asked for; no library ends with it
NUM_CORES = 2  # on more, TensorFlow's threads alone would fill the limit


class MemorySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is told.

    Attributes:
      tiles_root: Of the PreparedTiles, which are repeated under other numbers until they are `num_tiles`.
      data_limit_bytes: RLIMIT_DATA of the whole process, which counts what it allocates itself: heap, arrays, stacks;
        0 for no limit.
    """

    way: Way
    tiles_root: str
    num_tiles: int
    data_limit_bytes: int = 0


class MemoryTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says when it has trained."""

    num_updates: int
    first_loss: float
    last_loss: float
    peak_bytes: int
