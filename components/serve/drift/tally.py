"""Adds up what one version answered: some ten kilobytes of counts, however many tiles there are.

The histograms of the bands come from the checks, which have the pixels anyway, so that a tile adds some microseconds.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ModelCard, ServedWindow
from components.contracts.served import NUM_PROBABILITY_BINS, NUM_VALUES


class Tally:
    """The sums of one version since `since`; used by the event loop alone."""

    def __init__(self, card: ModelCard, instance: str, since: datetime.datetime) -> None:
        self.since = since
        self._card, self._instance = card, instance
        self._classes_at = np.arange(len(card.classes)) * NUM_PROBABILITY_BINS
        self.num_requests = self.num_tiles = self._counted_tiles = 0
        self._bands = np.zeros((len(card.bands), NUM_VALUES), np.int64)
        self._predicted = np.zeros(len(card.classes), np.int64)
        self._probabilities = np.zeros((len(card.classes), NUM_PROBABILITY_BINS), np.int64)

    def add(self, histograms: Sequence[NDArray[np.int64] | None], results: Mapping[str, NDArray[Any]]) -> None:
        """Adds the tiles of a request that was answered.

        Args:
          histograms: Of each tile's valid pixels by value, [bands, 256]; None for one whose bands were not counted.
          results: The model's outputs: "probabilities", float32, and "predicted", bool, [N, C] each.
        """
        self.num_requests += 1
        self.num_tiles += len(histograms)
        for each in histograms:
            if each is not None:
                self._counted_tiles += 1
                self._bands += each
        self._predicted += results["predicted"].sum(axis=0)
        bins = (results["probabilities"] * NUM_PROBABILITY_BINS).astype(np.int64)
        places = np.clip(bins, 0, NUM_PROBABILITY_BINS - 1) + self._classes_at
        self._probabilities += np.bincount(places.ravel(), minlength=self._probabilities.size).reshape(
            self._probabilities.shape
        )

    def add_tally(self, other: "Tally") -> None:
        """Adds the sums of another of the same version, which ends when this one does."""
        self.num_requests += other.num_requests
        self.num_tiles += other.num_tiles
        self._counted_tiles += other._counted_tiles
        self._bands += other._bands
        self._predicted += other._predicted
        self._probabilities += other._probabilities

    def window(self, until: datetime.datetime) -> ServedWindow:
        """Returns the sums as the document that others read."""
        return ServedWindow(
            version=self._card.version,
            instance=self._instance,
            since=_as_text(self.since),
            until=_as_text(until),
            manifest_sha256=self._card.manifest_sha256,
            classes=self._card.classes,
            bands=self._card.bands,
            num_requests=self.num_requests,
            num_tiles=self.num_tiles,
            counted_tiles=self._counted_tiles,
            valid_pixels=int(self._bands[0].sum()),
            band_histogram=_rows(self._bands),
            predicted_tiles=tuple(self._predicted.tolist()),
            probability_histogram=_rows(self._probabilities),
            test_share=share_on_test(self._card),
            num_test_tiles=self._card.num_test_tiles,
        )


def share_on_test(card: ModelCard) -> tuple[float | None, ...]:
    """Returns the share of the test tiles that the model gave each class, as follows from the card's scores.

    Recall times support are the tiles that it rightly gave the class, and precision is their share among all that it
    gave the class. Of one that it never gave rightly, nothing follows.
    """
    shares: list[float | None] = []
    for name in card.classes:
        scores = card.scores.per_class.get(name)
        if scores is None or scores.precision <= 0 or not card.num_test_tiles:
            shares.append(None)
        else:
            shares.append(min(1.0, scores.recall * scores.support / scores.precision / card.num_test_tiles))
    return tuple(shares)


def _as_text(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _rows(matrix: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
