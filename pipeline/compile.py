"""Compiles the pipeline to the YAML that is committed, uploaded and run."""

import tempfile
from pathlib import Path

from kfp import compiler

from components.train.component import train
from pipeline.dag import training_pipeline

COMPILED = Path(__file__).with_name("training_pipeline.yaml")


def compile_to(path: Path) -> None:
    """Writes the compiled pipeline, the same bytes for the same code and image."""
    compiler.Compiler().compile(training_pipeline(train), str(path))


def is_current(path: Path) -> bool:
    """Tells whether `path` holds, byte for byte, what the code compiles to."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / path.name
        compile_to(compiled)
        return path.is_file() and path.read_bytes() == compiled.read_bytes()
