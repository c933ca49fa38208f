"""Which values the trials of a sweep get: all combinations if they are few, else points spread over the space."""

import itertools
import math

from components.contracts.sweep import TrialValue
from components.sweep.sobol import sobol_point
from components.sweep.space import Space

_MOST_POINTS = 4096  # looked at for some that no trial has


def proposed_values(space: Space, num_trials: int, seed: int) -> list[dict[str, TrialValue]]:
    """Returns the values of each trial, by key; no two trials have the same.

    The same arguments give the same trials in the same order, and those of fewer trials begin those of more, unless
    the space is so small that all of it is tried.

    Args:
      num_trials: At most; fewer if there are fewer combinations.
    """
    listed = [each.values for each in space.values()]
    all_values = [values for values in listed if values is not None]
    is_finite = len(all_values) == len(space)
    if is_finite and math.prod(map(len, all_values)) <= num_trials:
        return [dict(zip(space, values, strict=True)) for values in itertools.product(*all_values)]
    axes, found = tuple(space), dict[tuple[TrialValue, ...], None]()
    for index in range(_MOST_POINTS):
        if len(found) == num_trials:
            break
        positions = sobol_point(index, axes, seed)
        found[tuple(each.at(position) for each, position in zip(space.values(), positions, strict=True))] = None
    if is_finite:  # the points may have missed a few combinations
        for values in itertools.product(*all_values):
            if len(found) == num_trials:
                break
            found[values] = None
    return [dict(zip(space, values, strict=True)) for values in found]
