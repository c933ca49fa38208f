"""Compiles the two pipelines, training and scoring, to the YAML files that we commit, upload and run."""

import ast
import json
import re
import tempfile
from pathlib import Path

from kfp import compiler

from components.train.component import train
from pipeline.dag import PIPELINE_NAME, training_pipeline
from pipeline.scoring_pipeline import SCORING_NAME, scoring_pipeline

# Kubeflow's page names a pipeline after the file that is uploaded.
COMPILED, COMPILED_SCORING = (Path(__file__).with_name(f"{name}.yaml") for name in (PIPELINE_NAME, SCORING_NAME))
COMPILED_VOLUME, COMPILED_SCORING_VOLUME = (
    Path(__file__).parent / "volume" / path.name for path in (COMPILED, COMPILED_SCORING)
)
_OBJECT_DEFAULT = re.compile(r"(?<=: dict )\[Default: (\{.*\})\]")


def compile_to(path: Path, volume: bool = False, scoring: bool = False) -> None:
    """Writes the compiled pipeline; the same code and image give the same bytes. For `volume`, see dag.py."""
    compiler.Compiler().compile(scoring_pipeline(volume) if scoring else training_pipeline(train, volume), str(path))
    # kfp lists the defaults in a comment, and the keys of an object in another order each time.
    path.write_text(_OBJECT_DEFAULT.sub(lambda found: f"[Default: {_ordered(found[1])}]", path.read_text()))


def _ordered(default: str) -> str:
    return json.dumps(ast.literal_eval(default), sort_keys=True)


def is_current(path: Path, volume: bool = False, scoring: bool = False) -> bool:
    """Returns whether `path` holds, byte for byte, what the code compiles to."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / path.name
        compile_to(compiled, volume, scoring)
        return path.is_file() and path.read_bytes() == compiled.read_bytes()
