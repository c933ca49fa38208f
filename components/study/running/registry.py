"""The experiments that this version has, in the order in which they run."""

import importlib
from collections.abc import Sequence

from components.errors import SettingsError
from components.setting import nearest
from components.study.experiments.experiment import Experiment

_PACKAGE = "components.study.experiments"
# Rooms below it, each with a module `all_experiments`. What takes no time stands first, so that a fault shows early.
ROOMS = ("hybrid", "scale", "formats", "memory", "parallel_sgd", "batch_size", "backbones", "cost")


def experiment_modules(rooms: Sequence[str] = ROOMS, package: str = _PACKAGE) -> tuple[str, ...]:
    """Returns the module of each room that lists its experiments."""
    return tuple(f"{package}.{room}.all_experiments" for room in rooms)


def experiments_of(module: str) -> tuple[Experiment, ...]:
    """Returns the experiments that a module lists.

    Raises:
      ModuleNotFoundError: if it, or what it needs, is missing; without it, its claims would pass for not chosen.
    """
    found: tuple[Experiment, ...] = importlib.import_module(module).EXPERIMENTS
    return found


def known_experiments(rooms: Sequence[str] = ROOMS, package: str = _PACKAGE) -> tuple[Experiment, ...]:
    """Returns the experiments of all rooms.

    Raises:
      ModuleNotFoundError: as experiments_of does.
      ValueError: if two have one name.
    """
    found = [each for module in experiment_modules(rooms, package) for each in experiments_of(module)]
    names = [each.name for each in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the experiment {twice[0]!r} must be in one room, got it twice")
    return tuple(found)


def chosen_experiments(experiments: Sequence[Experiment], only: Sequence[str]) -> tuple[Experiment, ...]:
    """Returns those of the names in `only`, or all if it is empty.

    Raises:
      SettingsError: if there is no such experiment.
    """
    by_name = {each.name: each for each in experiments}
    for name in only:
        if name not in by_name:
            raise SettingsError(
                f"only: unknown experiment {name!r}{nearest(name, by_name)}; expected one of {', '.join(by_name)}"
            )
    return tuple(each for each in experiments if not only or each.name in only)
