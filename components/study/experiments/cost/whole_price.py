"""The experiment `cost`: what 50 epochs over all tiles of train and val cost at list prices.

By two roads. Networks that a CPU can bear are trained here for some steps, by the project's own trainer, and charged as
the node of the profile `cpu`, whose price a price file of the user's does not change. The original's hours are those
that it states.
"""

import sys
from collections.abc import Sequence

from components.contracts.study import Finding, Words
from components.cost.prices import SHIPPED_PRICES, read_prices
from components.measuring.stopped_process import StoppedProcess
from components.study.experiments.cost.original_hours import CPU_PROFILE, original_trainings
from components.study.experiments.cost.priced_training import EPOCHS, NUM_TILES, PricedTraining, price_table
from components.study.experiments.cost.timed_networks import networks_of
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.start import program_arguments

CLAIM = "infrastructure_costly"
_PROGRAM = "components.study.experiments.cost.speed_program"
_TILES = f"{NUM_TILES:,}"


def run_priced(bench: Bench) -> Sequence[Result]:
    """Returns the finding, with a price for each training, and two tables of how the prices come about."""
    measured, original = measured_trainings(bench), original_trainings()
    for each in (*measured, *original):
        bench.say(f"{each.name}: {each.tiles_per_second:.3g} tiles/s, {each.cost:.2f} USD")
    node = read_prices(str(SHIPPED_PRICES)).of(CPU_PROFILE).node
    cores = bench.machine.num_cores
    return [
        Finding(claim=CLAIM, values={each.name: each.cost for each in (*measured, *original)}, is_measured=True),
        price_table(
            "price_at_measured_speed",
            Words(
                english=f"{EPOCHS} epochs of {_TILES} tiles, as fast as {cores} cores of this machine, at the price "
                f"of a whole {node}",
                spanish=f"{EPOCHS} épocas de {_TILES.replace(',', '.')} teselas, a la velocidad de {cores} núcleos de "
                f"esta máquina y al precio de una {node} entera",
            ),
            measured,
            is_measured=True,
        ),
        price_table(
            "price_of_original_hours",
            Words(
                english=f"{EPOCHS} epochs of {_TILES} tiles in the original's hours, scaled up from its 1,530 tiles "
                f"(CPU: {node})",
                spanish=f"{EPOCHS} épocas de {_TILES.replace(',', '.')} teselas con las horas del original, "
                f"extrapoladas de sus 1.530 teselas (CPU: {node})",
            ),
            original,
            is_measured=False,
        ),
    ]


def measured_trainings(bench: Bench) -> list[PricedTraining]:
    """Returns the networks of the preset, at the speed that they have on this machine's cores.

    Raises:
      DataError: if the process that trains them fails.
    """
    prices, found = read_prices(str(SHIPPED_PRICES)), []
    command = [sys.executable, *program_arguments(_PROGRAM, bench.preset.name, str(bench.machine.num_cores))]
    with StoppedProcess("the training whose speed is measured", command, 1800) as process:
        for network in networks_of(bench.preset.name):
            bench.say(f"trains some steps of {network.name}")
            found.append(PricedTraining(network.name, float(process.ask(network.name)), CPU_PROFILE, prices))
    return found
