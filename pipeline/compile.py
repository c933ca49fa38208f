"""Compiles the pipelines for training, maps, sweeps and the study to the YAML files that we commit, upload and run."""

import ast
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kfp import compiler

from components.train.component import train
from pipeline.dag import PIPELINE_NAME, training_pipeline
from pipeline.scoring_pipeline import SCORING_NAME, scoring_pipeline
from pipeline.study_pipeline import STUDY_NAME, study_pipeline
from pipeline.sweep_pipeline import SWEEP_NAME, sweep_pipeline

TRAINING, SCORING, SWEEP, STUDY = PIPELINE_NAME, SCORING_NAME, SWEEP_NAME, STUDY_NAME
# Kubeflow's page names a pipeline after the file that is uploaded. For the argument, see dag.py.
_PIPELINES: Mapping[str, Callable[[bool], Any]] = {
    TRAINING: lambda volume: training_pipeline(train, volume),
    SCORING: scoring_pipeline,
    SWEEP: lambda volume: sweep_pipeline(train, volume),
    STUDY: study_pipeline,
}
_HERE = Path(__file__).parent
# The committed files, by the name of the pipeline and whether it mounts a volume.
COMMITTED: Mapping[tuple[str, bool], Path] = {
    (name, volume): (_HERE / "volume" if volume else _HERE) / f"{name}.yaml"
    for name in _PIPELINES
    for volume in (False, True)
}
_OBJECT_DEFAULT = re.compile(r"(?<=: dict )\[Default: (\{.*\})\]")


def compile_to(path: Path, volume: bool = False, name: str = TRAINING) -> None:
    """Writes a compiled pipeline; the same code and image give the same bytes. For `volume`, see dag.py."""
    compiler.Compiler().compile(_PIPELINES[name](volume), str(path))
    # kfp lists the defaults in a comment, and the keys of an object in another order each time.
    path.write_text(_OBJECT_DEFAULT.sub(lambda found: f"[Default: {_ordered(found[1])}]", path.read_text()))


def _ordered(default: str) -> str:
    return json.dumps(ast.literal_eval(default), sort_keys=True)


def is_current(path: Path, volume: bool = False, name: str = TRAINING) -> bool:
    """Returns whether `path` holds, byte for byte, what the code compiles to."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / path.name
        compile_to(compiled, volume, name)
        return path.is_file() and path.read_bytes() == compiled.read_bytes()
