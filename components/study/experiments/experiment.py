"""What an experiment is, so that a command can run all of them without knowing any.

A room of experiments has a module `all_experiments` with a tuple EXPERIMENTS; it imports nothing heavy before one runs.
"""

import dataclasses
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from components.contracts.study import Curve, Finding, Machine, Matrix, RoundTable


@dataclasses.dataclass(frozen=True)
class Preset:
    """The size of a study.

    Attributes:
      name: "ci" has too few rounds and seeds for most verdicts, "gpu" what only a pool of GPUs can run.
      rounds: Of each comparison of times.
      seeds: Trainings of each arm that is compared by what it learns.
      num_tiles: Of the generated dataset, over all splits.
      tile_size_px: Their side.
      epochs: Of a training, unless epochs are what is compared.
      otherwise: What of these is otherwise in an experiment, by its name, e.g. rounds, because its turns are short.
    """

    name: Literal["ci", "laptop", "gpu"]
    rounds: int
    seeds: int
    num_tiles: int
    tile_size_px: int
    epochs: int
    otherwise: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)

    def of(self, experiment: str) -> "Preset":
        """Returns the preset as it is in an experiment."""
        return dataclasses.replace(self, **self.otherwise.get(experiment, {}), otherwise={})  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Bench:
    """What an experiment runs on.

    Attributes:
      folder: Its own, which is kept between runs.
      say: Tells whoever waits how far it is.
    """

    preset: Preset
    folder: Path
    say: Callable[[str], None]
    machine: Machine

    @property
    def shared(self) -> Path:
        """Folder of what several experiments read, so that one makes it for all; kept between runs."""
        return self.folder.parent / "shared"


# What an experiment found, in any order: what findings refer to is among them, and so is what only the page shows.
Result: TypeAlias = Finding | RoundTable | Matrix | Curve


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A part of the study.

    Attributes:
      name: As in claims.yaml.
      run: Returns a finding for each claim of that name, with its tables.
    """

    name: str
    title: str
    run: Callable[[Bench], Sequence[Result]]


@dataclasses.dataclass(frozen=True)
class ImportedWhenRun:
    """Runs an experiment, and imports it only then: it may need TensorFlow, which a list of names does not.

    Attributes:
      place: A module and its function, e.g. "components.study.experiments.cost.whole_price:run_priced".
    """

    place: str

    def __call__(self, bench: Bench) -> Sequence[Result]:
        """Returns what the experiment found."""
        function: Callable[[Bench], Sequence[Result]] = pkgutil.resolve_name(self.place)
        return function(bench)
