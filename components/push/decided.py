"""Which decisions of a model are the expected ones, where a difference within the tolerance could change some."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import ModelCard
from components.push.verify_places import TOLERANCE


def decided_alike(
    predicted: NDArray[np.generic],
    expected: NDArray[np.bool_],
    probabilities: NDArray[np.float32],
    card: ModelCard,
) -> NDArray[np.bool_]:
    """Returns where a decision is the expected one, or a difference within the tolerance could change it; [n, C]."""
    return np.asarray((predicted == expected) | undecided_at(probabilities, card))


def undecided_at(probabilities: NDArray[np.float32], card: ModelCard) -> NDArray[np.bool_]:
    """Returns where a difference within the tolerance can change a decision, bool [n, C]."""
    if card.label_mode == "single_label":
        first_two = np.sort(probabilities, axis=1)[:, -2:]
        gap = first_two[:, -1:] - first_two[:, :1]
        return np.asarray(np.broadcast_to(gap <= 2 * TOLERANCE, probabilities.shape))
    return np.asarray(np.abs(probabilities - np.asarray(card.thresholds)) <= TOLERANCE)
