"""`make faults`: disturbs a small training at random moments, and looks whether it ends as if nothing had been.

Each run trains with several processes, and at a random moment between the first one's start and the end of an
undisturbed run, be it start-up, a step, validation, a checkpoint or the export, one of them is killed (SIGKILL), frozen
(SIGSTOP) or told to end (SIGTERM). The launcher must bring the training to its end all by itself. In lockstep it must
come to the weights of the undisturbed run, to the bit. With parameter servers, where no two runs are alike, it must
come to a model with every step behind it.
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
    """Runs, prints a table for each strategy, writes faults.json; returns 1 if any run ended otherwise than it must."""
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
        f"{num_right} of {len(rows)} runs ended as they must; where it took a restart of all, all processes had left "
        f"{slow:.1f} s after the disturbance at the latest"
    )
    Path(options.output).write_text(json.dumps(document, indent=2) + "\n")
    print(f"wrote {options.output}")
    return 0 if num_right == len(rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--moments", type=int, default=20, help="of each kind; a run takes some 40 s on two cores")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the processes")
    parser.add_argument("--only", action="append", choices=list(_SIGNALS), help="this kind; can be given again")
    parser.add_argument("--strategy", action="append", choices=list(_JUDGES), help="this one; can be given again")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--num-tiles", type=int, default=60)
    parser.add_argument("--folder", default="demo/faults", metavar="FOLDER", help="where tiles and runs are made")
    parser.add_argument("--output", default="faults.json", metavar="FILE")
    return parser.parse_args()


class _Table:
    """The runs of one strategy.

    Attributes:
      undisturbed: How the training ends that nobody disturbs; set by `rows`.
    """

    undisturbed: Ending

    def __init__(self, options: argparse.Namespace, strategy: str, dataset: Path) -> None:
        self._options, self._strategy, self._dataset = options, strategy, dataset
        self._chance = random.Random(options.seed)
        self._names = [task_name(*task) for task in tasks(strategy, options.workers)]

    def rows(self) -> Iterator[Row]:
        """Yields the disturbed runs, and prints each; none if not even the undisturbed one ends well."""
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
                    while row is None:  # a moment can be too late, as no two runs take equally long
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
        """Returns None if the process had ended before the moment."""
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
