"""The smallest preset that the experiments on learning run in, and its tiles."""

import functools

from study_findings import MACHINE

from components.study.experiments.experiment import Bench, Preset
from components.study.experiments.learning.sizes import preset_tiles

TINY = Preset("ci", rounds=2, seeds=2, num_tiles=120, tile_size_px=64, epochs=1)


@functools.cache
def tiny_tiles():
    return preset_tiles(TINY)


def tiny_bench(tmp_path, said=None, preset=TINY):
    return Bench(preset, tmp_path, (said if said is not None else []).append, MACHINE)
