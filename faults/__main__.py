"""`make faults`: disturbs a small training at random moments, and looks whether it ends with the same weights.

Each run trains with worker processes in lockstep, and at a random moment between the first one's start and the end of
an undisturbed run, be it start-up, a step, validation, a checkpoint or the export, one of them is killed (SIGKILL),
frozen (SIGSTOP) or told to end (SIGTERM). The launcher must bring the training to its end all by itself, with weights
that are those of the undisturbed run to the bit.
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
from pathlib import Path

from faults.training import Ending, Training, make_dataset

_SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "terminate": signal.SIGTERM}
_MAX_RESTARTS = 3
_HEADER = (
    f"{'moment':>8}  {'what':<9} {'worker':>6}  {'exit codes':<12} {'restarts':>8} {'left':>7} {'lost':>7}  weights"
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One disturbed run.

    Attributes:
      moment: Seconds from the first worker's start to the disturbance.
      exit_codes: Of the workers, by attempt; none if the disturbance came too late to matter.
      left_seconds: Until all workers had ended, the disturbed one too.
      lost_seconds: How much longer it took than the undisturbed run.
    """

    moment: float
    what: str
    worker: int
    exit_codes: list[list[int]]
    restarts: int
    left_seconds: float
    lost_seconds: float
    equal_weights: bool

    def __str__(self) -> str:
        codes = " ".join("/".join(map(str, attempt)) for attempt in self.exit_codes) or "-"
        weights = "equal" if self.equal_weights else "OTHER"
        return (
            f"{self.moment:6.1f} s  {self.what:<9} {self.worker:>6}  {codes:<12} {self.restarts:>8} "
            f"{self.left_seconds:5.1f} s {self.lost_seconds:5.1f} s  {weights}"
        )


def main() -> int:
    """Runs, prints the table, writes faults.json; returns 1 if a run ended otherwise than the undisturbed one."""
    options = _options()
    dataset = Path(options.folder, f"data-{options.num_tiles}").absolute()
    with contextlib.redirect_stdout(sys.stderr):
        make_dataset(dataset, options.num_tiles)
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="faults-", dir=options.folder) as temporary:
        place = Path(temporary)
        training = _start(options, dataset, place / "undisturbed")
        undisturbed = training.end()
        if not undisturbed.weights:
            print((place / "undisturbed/output.log").read_text(), "the undisturbed run failed", sep="\n")
            return 1
        print(f"undisturbed: {undisturbed.seconds:.1f} s, weights {undisturbed.weights[:16]}\n{_HEADER}", flush=True)
        rows = []
        for number in range(options.moments):
            for what in options.only or list(_SIGNALS):
                row = None
                while row is None:  # a moment can be too late, as no two runs take equally long
                    moment = chance.uniform(0.0, undisturbed.seconds)
                    worker = chance.randrange(options.workers)
                    run = place / f"{number}-{what}-{moment:.3f}"
                    row = _disturb(_start(options, dataset, run), what, moment, worker, undisturbed)
                rows.append(row)
                print(row, flush=True)
                if row.equal_weights:
                    shutil.rmtree(run)
                else:
                    print((run / "output.log").read_text())
    failed = [row for row in rows if not row.equal_weights]
    slow = max((row.left_seconds for row in rows if row.exit_codes), default=0.0)
    print(f"{len(rows) - len(failed)} of {len(rows)} ended with the weights of the undisturbed run; ", end="")
    print(f"all workers had left {slow:.1f} s after a disturbance at the latest")
    document = {
        "seed": options.seed,
        "workers": options.workers,
        "undisturbed_seconds": undisturbed.seconds,
        "weights": undisturbed.weights,
        "runs": [dataclasses.asdict(row) for row in rows],
    }
    Path(options.output).write_text(json.dumps(document, indent=2) + "\n")
    print(f"wrote {options.output}")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--moments", type=int, default=20, help="of each kind; a run takes some 40 s on two cores")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the workers")
    parser.add_argument("--only", action="append", choices=list(_SIGNALS), help="this kind; can be given again")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--num-tiles", type=int, default=60)
    parser.add_argument("--folder", default="demo/faults", metavar="FOLDER", help="where tiles and runs are made")
    parser.add_argument("--output", default="faults.json", metavar="FILE")
    return parser.parse_args()


def _start(options: argparse.Namespace, dataset: Path, root: Path) -> Training:
    return Training(dataset, root, options.workers, options.epochs, _MAX_RESTARTS)


def _disturb(training: Training, what: str, moment: float, worker: int, undisturbed: Ending) -> Row | None:
    """Returns None if the worker had ended before the moment."""
    try:
        training.wait_until(moment)
        workers, moment = training.workers(), training.seconds()
        if worker not in workers:
            return None
        os.kill(workers[worker], _SIGNALS[what])
        left = training.wait_for_end_of(set(workers.values()))
        ending = training.end()
    finally:
        training.kill()
    return Row(
        moment=moment,
        what=what,
        worker=worker,
        exit_codes=ending.attempts,
        restarts=len(ending.attempts),
        left_seconds=left,
        lost_seconds=ending.seconds - undisturbed.seconds,
        equal_weights=ending.exit_code == 0 and ending.weights == undisturbed.weights,
    )


if __name__ == "__main__":
    sys.exit(main())
