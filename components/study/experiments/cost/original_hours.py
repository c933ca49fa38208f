"""What the original's own hours would come to on all tiles: its times for 50 epochs, in proportion to the tiles.

It trained NASNetLarge at 512 pixels, frozen, on 1,530 tiles. It names the GPUs, a P100 for the folder and a V100 for
TFRecord, and of the CPU nothing; that is charged as the node of the profile `cpu`.
"""

from pathlib import Path

from components.cost.prices import SHIPPED_PRICES, read_prices
from components.study.experiments.cost.priced_training import EPOCHS, PricedTraining

CPU_PROFILE = "cpu"
_ITS_TILES = 1530
_GPU_PRICES = Path(__file__).with_name("gpu_prices.yaml")
_HOURS = {  # of 50 epochs, as the original states them, and on which node
    "original on a CPU from a folder": (20.0, CPU_PROFILE),
    "original on a CPU from TFRecord": (12.0, CPU_PROFILE),
    "original on a P100 from a folder": (57.29 / 60, "n1-standard-4-p100"),
    "original on a V100 from TFRecord": (26.36 / 60, "n1-standard-4-v100"),
}


def original_trainings() -> list[PricedTraining]:
    """Returns the original's trainings, as if its speed held for all tiles."""
    tables = read_prices(str(SHIPPED_PRICES)), read_prices(str(_GPU_PRICES))
    prices = {profile: table for table in tables for profile in table.profiles}
    return [
        PricedTraining(name, _ITS_TILES * EPOCHS / (3600 * hours), profile, prices[profile])
        for name, (hours, profile) in _HOURS.items()
    ]
