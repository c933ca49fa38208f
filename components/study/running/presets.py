"""The sizes that a study may have, by name."""

from collections.abc import Mapping

from components.errors import SettingsError
from components.setting import nearest
from components.study.experiments.experiment import Preset

# Of 20 claims on a page, each needs at least 10 rounds for any verdict; a busy machine needs more (docs/study.md).
PRESETS: Mapping[str, Preset] = {
    "ci": Preset(name="ci", rounds=3, seeds=2, num_tiles=240, tile_size_px=64, epochs=2, rounds_of={"scale": 1}),
    "laptop": Preset(name="laptop", rounds=15, seeds=12, num_tiles=600, tile_size_px=256, epochs=10),
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
