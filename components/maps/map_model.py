"""The pushed model that makes a map, as a map needs it: loaded when it is first asked, in a process of its own."""

import contextlib
from collections.abc import Generator, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.predict.asking import ClassAnswer, ask_each
from components.predict.pushed_model import PushedModel
from components.records.source_formats import FULL_16_BIT
from components.records.tile_record import Record
from components.registry.attachments import beside_model
from components.saved_model.answering import PIXELS
from components.saved_model.asking import AskedModel, asked_model
from components.saved_model.checked_answers import as_maps, as_probabilities, tiles_with_maps
from components.train.settings.tuning.network import TILE_HEAD

WINDOW_PX = 512  # of a tile of Agriculture-Vision, for a model that does not say what its tiles were
_BATCH_WINDOWS = 16
_BATCH_BYTES = 64 << 20  # of pixels
_MASKED, _DENSE = "masked", "dense"  # the signatures that answer encoded tiles as the model was scored


class MapModel:
    """A pushed model; a context, at whose end its process ends.

    Attributes:
      pushed: Its card, and where it is.
      is_dense: Whether it says something of places.
    """

    def __init__(self, pushed: PushedModel) -> None:
        self.pushed = pushed
        card = pushed.card
        self.is_dense = card.dense is not None or card.config.get("head", TILE_HEAD) != TILE_HEAD
        self._stack = contextlib.ExitStack()
        self._asked: AskedModel | None = None

    def __enter__(self) -> "MapModel":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def num_bands(self) -> int:
        """3 or 4."""
        return len(self.pushed.card.bands)

    @property
    def max_16_bit(self) -> int:
        """What samples of 16 bits are scaled by, as in training."""
        return self.pushed.card.max_16_bit or FULL_16_BIT

    @property
    def tile_px(self) -> int:
        """The side of a window that is like the tiles of training."""
        return self.pushed.card.tile_px or WINDOW_PX

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """The lowest probability that counts as yes, by class; None if the most probable class counts."""
        if self.is_dense:
            dense = self.pushed.card.dense
            return dense.thresholds if dense else (0.5,) * len(self.pushed.card.classes)
        found = [each for each in self.pushed.thresholds if each is not None]
        return tuple(found) or None

    @property
    def no_below(self) -> tuple[float, ...] | None:
        """The probability below which a class is ruled out, by class; None if the model is never "not sure"."""
        not_sure = self.pushed.card.not_sure
        # Those bounds are for whole tiles.
        return not_sure.low if not_sure and not self.is_dense else None

    def batch_size(self, window_px: int) -> int:
        """Returns how many windows the model is asked about at once; always the same for windows of one size."""
        card = self.pushed.card
        in_reply = tiles_with_maps(card.image_size_px, len(card.classes)) if self.is_dense else _BATCH_WINDOWS
        return max(min(_BATCH_BYTES // (window_px**2 * (self.num_bands + 1)), in_reply, _BATCH_WINDOWS), 1)

    def of_pixels(
        self, batches: Iterable[Mapping[str, NDArray[np.uint8]]]
    ) -> Generator[NDArray[np.float32], None, None]:
        """Yields what the model says of each batch of windows: probabilities, float32 [n, C], or [n, h, w, C].

        Raises:
          DataError: if the model cannot be loaded, was pushed by an earlier version, or breaks down.
        """
        asked = self._loaded(PIXELS)
        card, uri = self.pushed.card, self.pushed.uri
        sizes: list[int] = []

        def counted() -> Iterable[Mapping[str, NDArray[np.uint8]]]:
            for batch in batches:
                sizes.append(len(batch["rgb"]))
                yield batch

        for number, results in enumerate(asked.answers_ahead(PIXELS, counted())):
            # As many as were sent, whatever the model says.
            count, num_classes = sizes[number], len(card.classes)
            if self.is_dense:
                yield as_maps(results, count, num_classes, uri)
                continue
            found = as_probabilities(results, count, num_classes, uri)
            if not np.isfinite(found).all():
                raise DataError(f"model {card.version} gives no finite probability for a window")
            yield found

    def of_tiles(self, records: Sequence[Record]) -> list[NDArray[np.float32] | str]:
        """Returns what the model says of checked tiles, float32 [1, 1, C] or [h, w, C] each, or why it says nothing.

        Raises:
          DataError: as of_pixels does.
        """
        if not records:
            return []
        asked = self._loaded(_DENSE if self.is_dense else _MASKED)
        card = self.pushed.card
        at_once = tiles_with_maps(card.image_size_px, len(card.classes)) if self.is_dense else len(records)
        replies = [
            reply
            for first in range(0, len(records), at_once)
            for reply in ask_each(asked, self.pushed, records[first : first + at_once], self.is_dense)
        ]
        return [
            reply if isinstance(reply, str) else reply[1].maps if reply[1] is not None else _of_classes(reply[0])
            for reply in replies
        ]

    def _loaded(self, function: str) -> AskedModel:
        card = self.pushed.card
        if self._asked is None:
            self._asked = self._stack.enter_context(asked_model(self.pushed.uri, card.files, beside=beside_model(card)))
        if not self._asked.has(function):
            raise DataError(
                f"model {card.version} has no signature {function!r}, because an earlier version of this project "
                "trained or pushed it; run the pipeline again, which pushes the model again"
            )
        return self._asked


def _of_classes(answers: tuple[ClassAnswer, ...]) -> NDArray[np.float32]:
    return np.array([each.probability for each in answers], np.float32).reshape(1, 1, -1)
