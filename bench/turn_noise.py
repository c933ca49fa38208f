"""Times of turns on a simulated busy machine, as noisy as the one that was measured.

Measured, of an arm against itself: 5 to 95 % of the ratios lie in 0.78 to 1.22 if the two take turns, and in 0.69 to
1.64 if one has all its turns first. So neighbouring turns are alike, and far ones are not. Three things make that up
here: noise of each turn, a load that comes and goes slowly, and bursts in which something else takes the processor.
"""

import numpy as np

_TURN_NOISE = 0.07  # standard deviation of the logarithm of a turn's time
_DRIFT = 0.21  # standard deviation of the logarithm of the slow load, over a long time
_DRIFT_TURNS = 60  # turns after which the load is another one
_BURST_RATE = 0.06  # bursts that begin, per turn
_BURST_TURNS = 2  # mean length
_BURST_SLOWDOWN = (1.1, 1.7)


class BusyMachine:
    """A machine whose speed changes from turn to turn; the same for the same seed."""

    def __init__(self, seed: int | tuple[int, ...]) -> None:
        self._generator = np.random.default_rng(seed)
        self._load = self._generator.normal(0, _DRIFT)
        self._burst = 1.0

    def turn(self, seconds: float) -> float:
        """Returns how long a turn takes that would take `seconds` on the machine without load or noise."""
        draw = self._generator
        stays = np.exp(-1 / _DRIFT_TURNS)
        self._load = stays * self._load + draw.normal(0, _DRIFT * np.sqrt(1 - stays**2))
        if self._burst > 1 and draw.random() < 1 / _BURST_TURNS:
            self._burst = 1.0
        if self._burst == 1 and draw.random() < _BURST_RATE:
            self._burst = draw.uniform(*_BURST_SLOWDOWN)
        return float(seconds * self._burst * np.exp(self._load + draw.normal(0, _TURN_NOISE)))
