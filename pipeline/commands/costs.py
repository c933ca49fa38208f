"""The command that says what a run will take, before it starts."""

from typing import Annotated

import typer

from components.errors import SettingsError
from pipeline.commands.options import with_parameters
from pipeline.parameters import Parameters
from pipeline.terminal import StderrLog, say


@with_parameters(source_uri=..., data_root="data", models_uri="models")
def forecast(
    parameters: Parameters,
    *,
    prices: Annotated[str, typer.Option(help="Price file, or AGRIVISION_PRICES; by default the project's own.")] = "",
    profile: Annotated[
        str, typer.Option(help="Node pool of the workers, by earlier trainings on it; by default this machine.")
    ] = "laptop",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Forecast the time and cost of a run by step, as intervals, and what other numbers of workers would change.

    Takes the options of `run`. Measures this machine for up to a minute, with a few drawn tiles, and goes by earlier
    trainings of the same kind under data_root, if there are any. Writes nothing.
    """
    import json

    from components.cost.prices import LAPTOP, read_prices
    from pipeline.cost.forecast import (
        as_object,
        earlier_trainings,
        forecast_lines,
        forecast_run,
        profiles_of_run,
        workers_lines,
    )
    from pipeline.cost.limit import num_pods
    from pipeline.cost.machine_speed import measure_machine
    from pipeline.cost.source_size import side_of_tiles, tiles_by_split

    charged = read_prices(prices)
    for each in profiles_of_run(profile):
        charged.of(each)  # before a minute is spent on measuring
    if warning := charged.warning():
        say(warning, error=True)
    if parameters.run.source_uri.startswith("s3://"):
        raise SettingsError("a forecast lists the source, which is for a folder or gs://; mirror an s3:// source first")
    num_tiles, seconds = tiles_by_split(parameters.run.source_uri, parameters.ingest, StderrLog("forecast"))
    tile_px = side_of_tiles(parameters.run.source_uri)
    earlier = earlier_trainings(parameters, profile, tile_px)
    measured = measure_machine(parameters, tile_px)
    num_nodes = 1 if profile == LAPTOP else num_pods(parameters)
    made = forecast_run(parameters, num_tiles, seconds, measured, earlier, charged, profile, num_nodes)
    if as_json:
        typer.echo(json.dumps(as_object(made)))
        return
    say("\n".join(forecast_lines(made, sum(num_tiles.values()))))
    say("\n".join(workers_lines(made, charged)))
