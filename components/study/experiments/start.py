"""Starts a program of an experiment: `python -m components.study.experiments.start PARENT MODULE ARGUMENTS`.

It ends with the study that has started it. Otherwise the trainings of a study that was killed would go on, and slow the
next one, which may begin at once.

And it starts sooner. TensorFlow imports Keras, and Keras scikit-learn and matplotlib, for wrappers and pictures that no
experiment uses: half of the seconds that it takes to start, in each of some fifty processes of a study. To Keras they
now look as if they were not installed, as they do to a worker.
"""

import os
import runpy
import sys
from collections.abc import Sequence

from components.measuring.stopped_process import end_with_parent

_NAME = "components.study.experiments.start"
_UNUSED = ("matplotlib", "sklearn")


def program_arguments(module: str, *arguments: str) -> list[str]:
    """Returns what Python has to be told to run a module as a program of this process."""
    return ["-m", _NAME, str(os.getpid()), module, *arguments]


def start_program(arguments: Sequence[str]) -> None:
    """Runs a module as a program.

    Args:
      arguments: The process that it ends with, the module, and what the program finds in sys.argv.
    """
    parent, *program = arguments
    end_with_parent(int(parent))
    for name in _UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.argv = program
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    start_program(sys.argv[1:])
