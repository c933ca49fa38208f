"""What makes and checks a dataset runs without TensorFlow: seconds and hundreds of megabytes less for each process."""

import os
import subprocess
import sys
from pathlib import Path

from components.agrivision import CHALLENGE_2020
from components.synth.dataset import write_dataset

ROOT = Path(__file__).parents[2]
# One process after the other, as in the pipeline: each step, and then what reads the dataset.
STEPS = """
import sys
from pathlib import Path

from components.contracts import Inventory
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.merge.merge import merge_shards
from components.progress import StepLog, step_log
from components.shard.writer import shard_partition


def ingest():
    with step_log("ingest") as log:
        build_inventory("tiles", "data", IngestSettings(num_workers=2, num_partitions=1), log).write("inventory.json")


def shard():
    with step_log("shard 0") as log:
        shard_partition("inventory.json", "0", "data", "receipts.json", log)


def merge():
    with step_log("merge") as log:
        merge_shards("inventory.json", ["receipts.json"], "data", "manifest.json", "report.html", log)


def command(*arguments):
    from pipeline.cli import app

    (manifest,) = Path("data/datasets").glob("*/manifest.json")
    app([argument.replace("MANIFEST", str(manifest)) for argument in arguments], standalone_mode=False)


{step}
heavy = {{"tensorflow", "keras", "kfp", "sklearn", "h5py"}} & set(sys.modules)
assert not heavy, heavy
"""


def test_no_step_and_no_check_of_a_dataset_loads_tensorflow(tmp_path: Path) -> None:
    write_dataset(tmp_path / "tiles", layout=CHALLENGE_2020, num_tiles=24, seed=1, tile_size_px=64, num_processes=1)
    checks = ["verify", "MANIFEST"], ["verify", "--leaks", "MANIFEST"], ["drift", "MANIFEST", "MANIFEST"]
    for step in ["ingest()", "shard()", "merge()", *(f"command(*{check!r})" for check in checks)]:
        run = subprocess.run(
            [sys.executable, "-c", STEPS.format(step=step)], cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, f"{step}: {run.stdout}{run.stderr}"
