"""The command that makes maps of whole fields with a pushed model. It loads no TensorFlow here."""

from typing import Annotated

import typer

from components.printable import printable
from pipeline.terminal import say


def score(
    source: Annotated[str, typer.Argument(help="A GeoTIFF, or a folder of tiles as the pipeline reads them.")],
    model: Annotated[
        str,
        typer.Option(help="A models URI, for its production model, or the folder of one version.", show_default=False),
    ],
    to: Annotated[str, typer.Option(help="Where the maps go: a folder or a gs:// URI.", show_default=False)],
    bands: Annotated[
        str,
        typer.Option(
            help="Bands of a GeoTIFF: a letter for each, e.g. nrgb, or the numbers of red, green, blue and near "
            "infrared, e.g. 3,2,1,4. Only needed if the file does not say it.",
            show_default=False,
        ),
    ] = "",
    window_px: Annotated[
        int, typer.Option(help="Side of the windows of a GeoTIFF, pixels; 0 for that of the model's tiles.")
    ] = 0,
    overlap: Annotated[
        float, typer.Option(help="Share of a window's side that the next one covers again, 0 to 0.875.")
    ] = 0.5,
) -> None:
    """Make maps of whole fields: a mosaic of probabilities, regions above the threshold, and a page to look at.

    A GeoTIFF is looked at in windows that overlap, and their answers are blended. Tiles of a field lie where their
    names say. Run it again after an interruption: it goes on where it was.
    """
    from components.maps.score import ScoreSettings, score_source
    from components.progress import StepLog

    settings = ScoreSettings(bands=bands, window_px=window_px, overlap=overlap)
    for uri in score_source(source, model, to, settings, StepLog("score")):
        say(printable(uri))
