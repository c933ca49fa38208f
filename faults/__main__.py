"""`make faults`: disturbs a small training at random moments and checks that it ends as if nothing had happened.

Each run trains with several processes. At a random moment between the first process's start and the end of an
undisturbed run (start-up, a step, validation, a checkpoint or the export), one of them is killed (SIGKILL), frozen
(SIGSTOP) or asked to end (SIGTERM). The launcher must finish the training without help. In lockstep, the weights must
equal those of the undisturbed run, to the bit. With parameter servers, where no two runs are alike, the model must have
trained for every step.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.train.settings.roles import task_name, tasks
from components.train.settings.strategies import PARAMETER_SERVER
from faults.rows import HEADER, Judge, Row, all_steps, same_weights
from faults.training import Ending, Training, make_dataset

_SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "terminate": signal.SIGTERM}
_JUDGES: dict[str, Judge] = {"multi_worker_mirrored": same_weights, PARAMETER_SERVER: all_steps}
_MAX_RESTARTS = 3


def main() -> int:
    """Runs all trainings, prints a table per strategy, writes faults.json; returns 1 if any run ended wrong."""
    options = _options()
    dataset = Path(options.folder, f"data-{options.num_tiles}").absolute()
    with contextlib.redirect_stdout(sys.stderr):
        make_dataset(dataset, options.num_tiles)
    document: dict[str, object] = {"seed": options.seed, "workers": options.workers}
    rows: list[Row] = []
    for strategy in options.strategy or list(_JUDGES):
        table = _Table(options, strategy, dataset)
        done = list(table.rows())
        if not done:
            return 1
        rows += done
        document[strategy] = {
            "undisturbed_seconds": table.undisturbed.seconds,
            "weights": table.undisturbed.weights,
            "runs": [dataclasses.asdict(row) for row in done],
        }
    slow = max((row.left_seconds for row in rows if row.exit_codes), default=0.0)
    num_right = sum(row.as_expected for row in rows)
    print(
        f"{num_right} of {len(rows)} runs ended as they must; in full restarts, all processes had ended within "
        f"{slow:.1f} s of the disturbance"
    )
    Path(options.output).write_text(json.dumps(document, indent=2) + "\n")
    print(f"wrote {options.output}")
    return 0 if num_right == len(rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--moments", type=int, default=20, help="runs of each kind; a run takes some 40 s on two cores")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments and processes")
    parser.add_argument("--only", action="append", choices=list(_SIGNALS), help="run only this kind; repeatable")
    parser.add_argument("--strategy", action="append", choices=list(_JUDGES), help="run only this strategy; repeatable")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--num-tiles", type=int, default=60)
    parser.add_argument("--folder", default="demo/faults", metavar="FOLDER", help="where to make tiles and runs")
    parser.add_argument("--output", default="faults.json", metavar="FILE")
    return parser.parse_args()


class _Table:
    """The runs of one strategy.

    Attributes:
      undisturbed: How the undisturbed training ends; set by `rows`.
    """

    undisturbed: Ending

    def __init__(self, options: argparse.Namespace, strategy: str, dataset: Path) -> None:
        self._options, self._strategy, self._dataset = options, strategy, dataset
        self._chance = random.Random(options.seed)
        self._names = [task_name(*task) for task in tasks(strategy, options.workers)]

    def rows(self) -> Iterator[Row]:
        """Yields and prints the disturbed runs; yields none if the undisturbed run fails."""
        options = self._options
        with tempfile.TemporaryDirectory(prefix="faults-", dir=options.folder) as temporary:
            place = Path(temporary)
            self.undisturbed = self._start(place / "undisturbed").end()
            if not self.undisturbed.weights:
                print((place / "undisturbed/output.log").read_text(), "the undisturbed run failed", sep="\n")
                return
            ending = self.undisturbed
            print(f"{self._strategy}, undisturbed: {ending.seconds:.1f} s, {ending.num_steps} steps, weights ", end="")
            print(f"{ending.weights[:16]}\n{HEADER}", flush=True)
            for number in range(options.moments):
                for what in options.only or list(_SIGNALS):
                    run = place / f"{number}-{what}"
                    row = None
                    while row is None:  # a moment can be too late, because run times differ
                        shutil.rmtree(run, ignore_errors=True)
                        row = self._disturbed(run, what)
                    print(row, flush=True)
                    if not row.as_expected:
                        print((run / "output.log").read_text())
                    shutil.rmtree(run)
                    yield row

    def _start(self, root: Path) -> Training:
        options = self._options
        return Training(self._dataset, root, self._strategy, options.workers, options.epochs, _MAX_RESTARTS)

    def _disturbed(self, root: Path, what: str) -> Row | None:
        """Disturbs one run; returns None if the process ended before the moment."""
        chosen = self._chance.randrange(len(self._names))
        training = self._start(root)
        try:
            training.wait_until(self._chance.uniform(0.0, self.undisturbed.seconds))
            processes, moment = training.processes(), training.seconds()
            if chosen not in processes:
                return None
            os.kill(processes[chosen], _SIGNALS[what])
            left = training.wait_for_end_of(set(processes.values()))
            ending = training.end()
        finally:
            training.kill()
        came_to, as_expected = _JUDGES[self._strategy](ending, self.undisturbed)
        return Row(
            moment=moment,
            what=what,
            process=self._names[chosen],
            exit_codes=ending.attempts,
            restarts=ending.num_restarts,
            left_seconds=left,
            lost_seconds=ending.seconds - self.undisturbed.seconds,
            came_to=came_to,
            as_expected=as_expected,
        )


if __name__ == "__main__":
    sys.exit(main())
