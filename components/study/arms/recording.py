"""Makes an arm's witness while it runs."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts.study import Witness


class WitnessRecorder:
    """Takes down what goes into each step; adding a batch takes about a millisecond for every megabyte.

    A turn that is timed should not be recorded: equal settings do the same in every turn, and hashing takes time.
    """

    def __init__(self, *, dataset: str, machine: str, reads_same_pixels: bool) -> None:
        self._dataset, self._machine, self._reads_same_pixels = dataset, machine, reads_same_pixels
        self._order, self._batches, self._weights = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._losses: list[str] = []
        self._num_tiles = 0
        self._shape: tuple[int, int, int] = (0, 0, 0)
        self._dtype = ""

    def add_weights(self, weights: Iterable[tuple[str, NDArray[Any]]]) -> None:
        """Adds the weights before the first step, by name."""
        for name, values in weights:
            self._weights.update(f"{name} {values.dtype} {values.shape} ".encode())
            self._weights.update(np.ascontiguousarray(values).tobytes())

    def add_batch(self, tile_ids: Iterable[str], pixels: NDArray[Any], labels: NDArray[Any]) -> None:
        """Adds a step's batch: its tiles' names, pixels [B, H, W, C] and labels [B, ...]."""
        for tile_id, label in zip(tile_ids, labels, strict=True):
            self._order.update(b"%s %s\n" % (tile_id.encode(), label.tobytes()))
        self._num_tiles += len(pixels)
        for values in (pixels, labels):
            self._batches.update(f"{values.dtype} {values.shape} ".encode())
            self._batches.update(np.ascontiguousarray(values).tobytes())
        height, width, num_bands = pixels.shape[1:]
        self._shape, self._dtype = (height, width, num_bands), str(pixels.dtype)

    def add_loss(self, loss: float) -> None:
        """Adds the loss of a step, which has changed the weights."""
        self._losses.append(float(loss).hex())

    def witness(self) -> Witness:
        """Returns the witness of all that was added."""
        return Witness(
            dataset=self._dataset,
            machine=self._machine,
            reads_same_pixels=self._reads_same_pixels,
            order=self._order.hexdigest(),
            batches=self._batches.hexdigest(),
            initial_weights=self._weights.hexdigest(),
            num_updates=len(self._losses),
            num_tiles_read=self._num_tiles,
            input_shape=self._shape,
            input_dtype=self._dtype,
            losses=tuple(self._losses),
        )
