"""The commands about models that were pushed. TensorFlow is imported inside the one that needs it."""

import os
from pathlib import Path
from typing import Annotated

import typer


def predict(
    model: Annotated[str, typer.Argument(help="A models URI (its production model) or one version's folder.")],
    rgb: Annotated[Path, typer.Option(help="RGB image of the tile, JPEG or PNG.")],
    nir: Annotated[Path | None, typer.Option(help="NIR image, where the model takes one.")] = None,
    boundary: Annotated[Path | None, typer.Option(help="PNG, 255 inside the field.")] = None,
    mask: Annotated[Path | None, typer.Option(help="PNG, 255 where pixels are usable.")] = None,
) -> None:
    """Ask a pushed model about one tile: the probability of every class, and whether it passes its threshold."""
    _import_tensorflow_quietly()
    from components.push.predict import predict as ask

    for name, answer in ask(model, rgb, nir, boundary, mask).items():
        typer.echo(f"{name:<22} {answer.probability:.3f}  {'yes' if answer.predicted else 'no'}")


def rollback(models_uri: Annotated[str, typer.Argument(help="Where model versions are kept.")]) -> None:
    """Put the previous model version back into production."""
    from components.registry import rollback as roll_back

    typer.echo(roll_back(models_uri))


def _import_tensorflow_quietly() -> None:
    """Imports TensorFlow with file descriptor 2 closed to it; Python's own errors still come through as exceptions."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
