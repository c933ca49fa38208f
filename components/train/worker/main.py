"""The command that a worker runs: `python -m components.train --spec spec.json`.

A worker with peers learns about them from TF_CONFIG or from its Job. Exit codes: 0 done, 2 a bad setting, 42 bad data
or a loss that is not a number, 75 try again, 143 stopped by SIGTERM after a checkpoint. The last line of the output
gives the reason, as `error: <reason>`.
"""

import argparse
import os
import sys
import time
import traceback
from typing import NoReturn

from components import environment, storage
from components.errors import SettingsError, as_user_error, disk_error_in
from components.progress import one_line
from components.train.peers.job_member import take_place
from components.train.peers.lifeline import end_with_launcher, heed_sigterm, show_life
from components.train.settings.roles import CHIEF
from components.train.settings.strategies import PARAMETER_SERVER
from components.train.settings.worker_spec import EXIT_DONE, EXIT_STOPPED, EXIT_TRY_AGAIN, WorkerSpec

_STARTED = time.monotonic()  # before TensorFlow is imported, which takes seconds that are paid for as well
_MOST_CHARACTERS = 1000  # of an error of TensorFlow, which may fill pages


def main() -> int:
    """Runs the worker and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m components.train", description="Train as one worker of a gang.")
    parser.add_argument("--spec", required=True, help="file or gs:// URI of the worker's spec, in JSON")
    parser.add_argument("--heartbeat", metavar="FILE", help="touch this file every second while the process lives")
    arguments = parser.parse_args()
    heed_sigterm()
    if arguments.heartbeat:
        show_life(arguments.heartbeat)
    try:
        return _work(arguments.spec)
    except Exception as error:
        mendable = as_user_error(error)
        if mendable is None:
            raise
        print(f"error: {one_line(str(mendable))}", flush=True)
        return mendable.exit_code


def _work(spec_uri: str) -> int:
    try:
        spec = WorkerSpec.from_json(storage.read_bytes(spec_uri), spec_uri)
    except FileNotFoundError as error:
        raise SettingsError(f"no spec {spec_uri!r}; can this worker see its launcher's data_root?") from error
    if spec.follows_launcher:
        end_with_launcher()
    # Imported late because it takes seconds, during which the launcher may die.
    import tensorflow as tf

    from components.train.loop.loop import Stopped
    from components.train.peers.cluster import task_of
    from components.train.peers.server_processes import serve
    from components.train.worker.worker import run_worker

    try:
        spec = take_place(spec)
        job, index = task_of(environment.tf_config())
        if spec.settings.strategy == PARAMETER_SERVER and job != CHIEF:
            serve(spec, environment.tf_config())
        else:
            run_worker(spec, index, _STARTED)
    except Stopped as stopped:
        print(f"error: stopped by SIGTERM, after checkpoint {stopped}", flush=True)
        return EXIT_STOPPED
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        print(f"error: lost a peer: {one_line(str(error.message).splitlines()[0][:300])}", flush=True)
        return EXIT_TRY_AGAIN
    except tf.errors.OpError as error:
        if (full := disk_error_in(str(error.message))) is None:
            raise
        raise full from error
    return EXIT_DONE


def run_and_exit() -> NoReturn:
    """Runs the worker and ends the process with its exit code."""
    try:
        code = main()
    except Exception as error:
        traceback.print_exc()
        print(f"error: {one_line(f'{type(error).__name__}: {error}')[:_MOST_CHARACTERS]}", flush=True)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: collectives of a broken cluster can hang during shutdown.
    os._exit(code)
