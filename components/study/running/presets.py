"""The sizes that a study may have, by name."""

from collections.abc import Mapping

from components.errors import SettingsError
from components.setting import nearest
from components.study.experiments.experiment import Preset

# Of 20 claims on a page, each needs at least 10 rounds for any verdict; a busy machine needs more (docs/study.md). So
# rounds are many and turns short: an epoch of 144 tiles takes a second or two. All was fixed before any result.
_TURN_OF_AN_EPOCH = {"rounds": 31, "num_tiles": 240, "epochs": 1}
_ON_A_LAPTOP: Mapping[str, Mapping[str, int]] = {
    "formats": _TURN_OF_AN_EPOCH,
    "formats_strategy": _TURN_OF_AN_EPOCH,
    "partitions": _TURN_OF_AN_EPOCH,
    "compression": _TURN_OF_AN_EPOCH,
    "conversion": _TURN_OF_AN_EPOCH,
    "strategy": _TURN_OF_AN_EPOCH,
    "batch_size_time": {"rounds": 121},
    "parallel_sgd_time": {"rounds": 121},
    "scale": {"rounds": 11, "num_tiles": 1200, "epochs": 3},  # a round starts four trainings
}
PRESETS: Mapping[str, Preset] = {
    "ci": Preset(
        name="ci",
        rounds=3,
        seeds=2,
        num_tiles=240,
        tile_size_px=64,
        epochs=2,
        otherwise={"scale": {"rounds": 1}},
    ),
    "laptop": Preset(
        name="laptop", rounds=31, seeds=15, num_tiles=600, tile_size_px=256, epochs=10, otherwise=_ON_A_LAPTOP
    ),
    "gpu": Preset(name="gpu", rounds=31, seeds=12, num_tiles=6000, tile_size_px=512, epochs=50),
}


def preset_of(name: str) -> Preset:
    """Returns the preset of a name.

    Raises:
      SettingsError: if there is none.
    """
    if name not in PRESETS:
        raise SettingsError(
            f"preset: unknown preset {name!r}{nearest(name, PRESETS)}; expected one of {', '.join(PRESETS)}"
        )
    return PRESETS[name]
