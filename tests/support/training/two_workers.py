"""Two processes that TensorFlow takes for workers of one cluster."""

import json
import os
import subprocess
import sys
from pathlib import Path

from train_fixtures import free_address


def lines_of_two_workers(script: Path) -> list[list[str]]:
    """Runs a script as two workers at once; returns what each printed, in lines."""
    addresses, processes = [free_address(), free_address()], []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes.append(
            subprocess.Popen(
                [sys.executable, str(script)],
                env={**os.environ, "TF_CONFIG": json.dumps(task), "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    return [process.communicate(timeout=120)[0].splitlines() for process in processes]
