"""The commands for pushed models. None loads TensorFlow here: a model runs in a process of its own."""

from typing import Annotated

import typer

from components.printable import printable
from pipeline.terminal import say

_SEVERAL = "repeat it for several tiles, or give a folder"


def predict(
    model: Annotated[str, typer.Argument(help="A models URI, for its production model, or the folder of one version.")],
    tiles: Annotated[
        list[str] | None, typer.Argument(help="Folders of tiles, as the pipeline reads them, or RGB images.")
    ] = None,
    rgb: Annotated[
        list[str] | None, typer.Option(help=f"RGB image of a tile, JPEG or PNG; {_SEVERAL}.", show_default=False)
    ] = None,
    nir: Annotated[
        list[str] | None,
        typer.Option(help="NIR image, if the model takes one: one for each --rgb, or its folder.", show_default=False),
    ] = None,
    boundary: Annotated[
        list[str] | None, typer.Option(help="PNG, 255 inside the field and 0 outside, likewise.", show_default=False)
    ] = None,
    mask: Annotated[
        list[str] | None, typer.Option(help="PNG, 255 where pixels are usable and 0 elsewhere.", show_default=False)
    ] = None,
    csv: Annotated[
        str, typer.Option(help="Write a row for each tile to this .csv file, or to standard output if it is -.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each tile, one a line.")] = False,
    label_maps: Annotated[
        str,
        typer.Option(
            help="Write which class each pixel shows to this folder or gs:// URI, a PNG for each tile: 0 for "
            "background, then the classes from 1 on. Needs a model with a dense head."
        ),
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 42 if any tile could not be answered, not only if none could.")
    ] = False,
) -> None:
    """Ask a pushed model about tiles: each class's probability, its threshold, and the answer, yes or no.

    Every tile is checked as the pipeline checks it. Those that cannot be used are named and counted, and the others
    are answered. Images in folders belong together by their names.
    """
    from components.predict.asking import answers
    from components.predict.label_maps import LabelMaps, require_own_names
    from components.predict.pushed_model import find_model
    from components.predict.tile_files import asked_tiles
    from pipeline.commands.answers import AnswersOut, check_outputs, require_bands

    check_outputs(csv, as_json)
    by_role = {"rgb": rgb or [], "nir": nir or [], "boundary": boundary or [], "mask": mask or []}
    found = find_model(model)
    require_bands(found, by_role)
    maps = None
    if label_maps:
        require_own_names([*(tiles or []), *by_role["rgb"]])
        maps = LabelMaps(label_maps, found)
    with asked_tiles(tiles or [], by_role, lambda text: say(printable(text), error=True)) as asked:
        with AnswersOut(found, asked.num_tiles, csv, as_json) as out:
            for answer in answers(found, asked.tiles, with_maps=maps is not None):
                out.add(maps.add(answer) if maps else answer)
        out.end(strict)


def rollback(
    models_uri: Annotated[str, typer.Argument(help="Where model versions are kept.")],
) -> None:
    """Put the previous model version back into production."""
    from components.registry import rollback as roll_back

    say(printable(roll_back(models_uri)))
