"""Runs the DAG on this machine with `kfp.local`, in a separate process that `agrivision run` starts.

`python -m pipeline.local.run_local RUN_DIR` reads RUN_DIR/parameters.json, and RUN_DIR/sweep.json if the run is a
sweep. It leaves the steps' artifacts under RUN_DIR/artifacts. When its standard input closes, it ends with every
process it has started. The watching process holds the other end, so a run never outlives its watcher, however the
watcher ends.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

PARAMETERS_FILE = "parameters.json"
SWEEP_FILE = "sweep.json"  # only a sweep has it
ARTIFACTS_DIR = "artifacts"


def end_with_stdin() -> None:
    """Kills this process group once standard input closes; the steps get an empty input of their own.

    Killing is safe: whatever a step had not finished still has a temporary name.
    """
    watched = os.dup(0)
    with open(os.devnull) as empty:
        os.dup2(empty.fileno(), 0)

    def watch() -> None:
        while os.read(watched, 1024):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def run(run_dir: Path) -> None:
    """Runs the whole pipeline, with its log on standard output.

    Raises:
      RuntimeError: if a step failed; its log says why.
    """
    from kfp import local

    from components import environment
    from components.sweep.settings import SweepSettings
    from components.train.component import train
    from pipeline.checkout import checked_out_commit
    from pipeline.dag import training_pipeline
    from pipeline.form import form_values
    from pipeline.local.named_outputs import resolve_named_outputs
    from pipeline.parameters import Parameters
    from pipeline.sweep_form import sweep_values
    from pipeline.sweep_pipeline import sweep_pipeline

    environment.set_commit(checked_out_commit())
    parameters = Parameters(**json.loads((run_dir / PARAMETERS_FILE).read_text()))
    resolve_named_outputs()
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(run_dir / ARTIFACTS_DIR), raise_on_error=True)
    if (sweep_path := run_dir / SWEEP_FILE).exists():
        values = sweep_values(SweepSettings(**json.loads(sweep_path.read_text())))
        # One trial at a time: each takes the whole machine.
        sweep_pipeline(train, parallel_trials=1)(**form_values(parameters), **values)
    else:
        training_pipeline(train)(**form_values(parameters))


if __name__ == "__main__":
    end_with_stdin()
    run(Path(sys.argv[1]))
