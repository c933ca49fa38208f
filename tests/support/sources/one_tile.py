"""Asks a pushed model about one tile, as `agrivision predict` does."""

from pathlib import Path

from components.errors import DataError
from components.predict.asking import ClassAnswer, answers
from components.predict.pushed_model import find_model
from components.predict.tile_files import ROLES, asked_tiles


def answer_about(models_uri: str, *images: Path | str) -> dict[str, ClassAnswer]:
    """Returns the answers by class, given RGB, NIR, boundary and mask; raises what is wrong with them."""
    by_role = {role: [str(image)] for role, image in zip(ROLES, images, strict=False)}
    with asked_tiles([], by_role, print) as asked:
        (answer,) = answers(find_model(models_uri), asked.tiles)
    if answer.problem:
        raise DataError(answer.problem)
    return {each.name: each for each in answer.classes}
