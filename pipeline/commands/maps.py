"""The command that makes maps of whole fields with a pushed model. It loads no TensorFlow here."""

from typing import Annotated

import typer

from components.maps.settings import MapSettings, RegionSettings, ScoreSettings
from components.printable import printable
from components.setting import settings_of
from pipeline.terminal import say

_MEANINGS = {
    field.name: known.help
    for settings in (MapSettings, ScoreSettings, RegionSettings)
    for field, known in settings_of(settings)
}


def score_fields(
    source: Annotated[str, typer.Argument(help=_MEANINGS["source_uri"])],
    model: Annotated[str, typer.Option(help=_MEANINGS["model_uri"], show_default=False)],
    to: Annotated[str, typer.Option(help=_MEANINGS["target_uri"], show_default=False)],
    channel: Annotated[
        str, typer.Option(help="The channel of a models URI whose model is asked.", show_default="production")
    ] = "",
    bands: Annotated[str, typer.Option(help=_MEANINGS["bands"], show_default=False)] = "",
    window_px: Annotated[int, typer.Option(help=_MEANINGS["window_px"])] = 0,
    overlap: Annotated[float, typer.Option(help=_MEANINGS["overlap"])] = 0.5,
    smallest_m2: Annotated[float, typer.Option(help=_MEANINGS["smallest_m2"])] = RegionSettings.smallest_m2,
    smallest_px2: Annotated[float, typer.Option(help=_MEANINGS["smallest_px2"])] = RegionSettings.smallest_px2,
    most_regions: Annotated[int, typer.Option(help=_MEANINGS["most_regions"])] = RegionSettings.most_regions,
) -> None:
    """Make maps of whole fields: a mosaic of probabilities, regions above the threshold, and a page to look at.

    A GeoTIFF is looked at in windows that overlap, and their answers are blended. Tiles of a field lie where their
    names say. Run it again after an interruption: it goes on where it was.
    """
    from components.maps.score import score_source
    from components.predict.pushed_model import find_model
    from components.progress import StepLog

    settings = ScoreSettings(bands=bands, window_px=window_px, overlap=overlap)
    regions = RegionSettings(smallest_m2=smallest_m2, smallest_px2=smallest_px2, most_regions=most_regions)
    version_uri = find_model(model, channel).uri
    for uri in score_source(source, version_uri, to, settings, StepLog("score"), regions):
        say(printable(uri))
