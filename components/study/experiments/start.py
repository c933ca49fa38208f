"""Starts a program of an experiment sooner: `python -m components.study.experiments.start MODULE ARGUMENTS`.

TensorFlow imports Keras, and Keras scikit-learn and matplotlib, for wrappers and pictures that no experiment uses: half
of the seconds that it takes to start, in each of some fifty processes of a study. To Keras they now look as if they
were not installed, as they do to a worker.
"""

import runpy
import sys
from collections.abc import Sequence

_NAME = "components.study.experiments.start"
_UNUSED = ("matplotlib", "sklearn")


def program_arguments(module: str, *arguments: str) -> list[str]:
    """Returns what Python has to be told to run a module as a program."""
    return ["-m", _NAME, module, *arguments]


def start_program(arguments: Sequence[str]) -> None:
    """Runs a module as a program.

    Args:
      arguments: The module, and what the program finds in sys.argv.
    """
    for name in _UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    start_program(sys.argv[1:])
