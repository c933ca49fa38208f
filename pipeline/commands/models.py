"""The commands for pushed models. None loads TensorFlow here: a model runs in a process of its own."""

from pathlib import Path
from typing import Annotated

import typer

from components.printable import printable
from pipeline.terminal import say


def predict(
    model: Annotated[str, typer.Argument(help="A models URI, for its production model, or the folder of one version.")],
    rgb: Annotated[Path, typer.Option(help="RGB image of the tile: JPEG or PNG.")],
    nir: Annotated[Path | None, typer.Option(help="NIR image, if the model takes one.")] = None,
    boundary: Annotated[Path | None, typer.Option(help="PNG, 255 inside the field.")] = None,
    mask: Annotated[Path | None, typer.Option(help="PNG, 255 where pixels are usable.")] = None,
) -> None:
    """Classify one tile with a pushed model: each class's probability, and whether it reaches its threshold."""
    from components.push.predict import predict as ask

    for name, answer in ask(model, rgb, nir, boundary, mask).items():
        say(f"{printable(name):<22} {answer.probability:.3f}  {'yes' if answer.predicted else 'no'}")


def rollback(models_uri: Annotated[str, typer.Argument(help="Where model versions are kept.")]) -> None:
    """Put the previous model version back into production."""
    from components.registry import rollback as roll_back

    say(roll_back(models_uri))
