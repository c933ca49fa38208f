"""The way in to `agrivision`, under a name that only this project has: that of its distribution.

Most repositories for Kubeflow have folders `components` and `pipeline`, too. Started in one of them, or with a
PYTHONPATH that holds one, Python would take theirs for ours.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of our packages: the checkout, or where they are installed


def main() -> None:
    """Runs the console command with this project's packages, whatever else is on Python's path."""
    sys.path.insert(0, str(ROOT))
    from pipeline.cli import main as run_command

    run_command()
