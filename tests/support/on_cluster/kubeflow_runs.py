"""Runs that tests start on a real Kubeflow Pipelines with `agrivision submit`, and the same ones on this machine."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubeflow_pods import in_a_pod

from components import environment

ROOT = Path(__file__).parents[3]
TINY = {"epochs": 1, "image_size_px": 32, "global_batch_size": 16}
MARKS = [
    pytest.mark.kfp,
    pytest.mark.slow,
    pytest.mark.skipif(
        not {"KFP_ENDPOINT", "STORAGE_EMULATOR_HOST"} <= set(os.environ),
        reason="needs Kubeflow Pipelines (KFP_ENDPOINT) and a gs:// that its pods reach (STORAGE_EMULATOR_HOST)",
    ),
]
AGRIVISION = (sys.executable, "-c", "from pipeline.cli import main; main()")


def places(root: str) -> dict[str, str]:
    """Returns where a run keeps what it makes, beneath a folder or gs:// URI."""
    return {"data-root": f"{root}/data", "models-uri": f"{root}/models"}


def submit(root: str, *options: str, source: str = "tiles") -> "subprocess.Popen[str]":
    """Starts the command with the image that AGRIVISION_IMAGE names, or the one that is compiled in."""
    settings = {
        "source-uri": f"{root}/{source}",
        **places(root),
        "image": environment.container_image(),
        "train-config": json.dumps(TINY),
        "train-cpu": "100m",
        "train-memory": "1Gi",
        "gate-min-macro-f1": 0.0,
        "timeout-minutes": 9,
    }
    given = {option.removeprefix("--").partition("=")[0] for option in options}
    own = [f"--{name}={value}" for name, value in settings.items() if name not in given]
    return subprocess.Popen(
        [*AGRIVISION, "submit", "--experiment=tests", "--json", *own, *options],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell lets what it puts into the background ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, Any, str]:
    """Waits for the command; returns its exit code, what it says as JSON, and what it says of errors."""
    output, errors = process.communicate(timeout=600)
    print(output, errors)
    return process.returncode, json.loads(output.splitlines()[-1]) if output else None, errors


def run_here(source: str, root: Path) -> None:
    """Runs the same pipeline on this machine, as `make run` does."""
    settings = {
        "source-uri": source,
        **places(str(root)),
        "runs-dir": root / "runs",
        "train-config": json.dumps(TINY),
        "gate-min-macro-f1": 0.0,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    done = subprocess.run([*AGRIVISION, "run", *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# What is in production, with its scores, and what it answers about a tile: printed where the model lies. Left out is
# what depends on the order of a graph's functions, which is another one in each export.
LOOK = """
import json
import sys
from components import storage
from components.predict.asking import answers
from components.predict.pushed_model import find_model
from components.predict.tile_files import asked_tiles
from components.registry import read_production
from components.registry import version_uri
models_uri, *images = sys.argv[1:]
production, _ = read_production(models_uri)
card = json.loads(storage.read_bytes(storage.join(version_uri(models_uri, production.version), "card.json")))
for written in ("saved_model.pb", "fingerprint.pb"):
    del card["files"][written]
del card["checksum"]
print("look:", json.dumps(card))
by_role = {role: [image] for role, image in zip(("rgb", "nir", "boundary", "mask"), images)}
with asked_tiles([], by_role, print) as asked:
    print("look:", [(answer.classes, answer.problem) for answer in answers(find_model(models_uri), asked.tiles)])
"""


def look_here(models_uri: str, images: list[str]) -> list[str]:
    """Returns what LOOK says of production, card and answers, beneath a folder or on a bucket."""
    command = [sys.executable, "-c", LOOK, models_uri, *images]
    return _said(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def look_in_a_pod(claim: str, models_uri: str, images: list[str]) -> list[str]:
    """Returns the same on a volume."""
    return _said(in_a_pod(LOOK, models_uri, *images, claim=claim))


def _said(output: str) -> list[str]:
    # The log of a pod has what TensorFlow says of the machine, too.
    return [line for line in output.splitlines() if line.startswith("look: ")]
