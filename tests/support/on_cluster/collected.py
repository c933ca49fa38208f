"""`agrivision collect` as a test calls it, and where it finds the records."""

import subprocess

from command_here import agrivision_here
from kubeflow_server import ScriptedKubeflow

from components.contracts import RunRecord
from components.run_records.record_file import read_record

ROOT = "gs://b/data"  # data_root of the runs
PLACES = ("--source-uri=gs://b/tiles", f"--data-root={ROOT}", "--models-uri=gs://b/models")


def collect(server: ScriptedKubeflow, *options: str) -> subprocess.CompletedProcess[str]:
    """Collects from a server."""
    return agrivision_here("collect", f"--host={server.url}", *options)


def record(run_id: str, root: str = ROOT) -> RunRecord | None:
    """Returns the record of a run; None if there is none."""
    return read_record(root, run_id)
