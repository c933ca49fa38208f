"""What holds training up, input or compute, and what to change. Imports no TensorFlow.

The rule goes by the share of its time in which the training loop waited for a batch (step_clock.py measures it), over
all epochs and at the worker that waited longest, since in lockstep all wait for the slowest. From 5 % on training is
input-bound, from 20 % on highly so: the limits of TensorFlow's own profiler, whose input pipeline analysis calls them
moderately and highly input-bound. Below, it is compute-bound: input that costs nothing would hardly make it faster.
"""

import dataclasses
from collections.abc import Sequence

from components.contracts import Bottleneck, EpochMetrics
from components.train.settings.config import TrainConfig

INPUT_BOUND_SHARE = 0.05
HIGHLY_INPUT_BOUND_SHARE = 0.2
_SHORT_STEP_SECONDS = 0.02  # starting a call takes some 2 ms, a tenth of such a step


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What a training ran with, as far as it has to do with its speed.

    Attributes:
      device: "CPU", "GPU" or "TPU".
      num_threads: Processor cores of each worker.
      stored_size_px: The shorter side of the smallest stored tiles.
      is_remote: The shards are in a bucket.
      waits_in_loop: The training loop itself waits for the tiles; with the parameter server strategy its workers do.
    """

    config: TrainConfig
    device: str
    num_workers: int
    num_threads: int
    stored_size_px: int
    is_remote: bool
    waits_in_loop: bool = True


def find_bottleneck(history: Sequence[EpochMetrics], circumstances: Circumstances) -> Bottleneck:
    """Returns what held a training up.

    Args:
      history: One entry per epoch. An epoch counts by the time that its training took, for equally many tiles.
    """
    rows = [row for row in history if row.tiles_per_second > 0]
    times = [1 / row.tiles_per_second for row in rows]
    share = (
        sum(row.input_wait_share * time for row, time in zip(rows, times, strict=True)) / sum(times) if rows else 0.0
    )
    rate = len(rows) / sum(times) if rows else 0.0
    if not circumstances.waits_in_loop:
        advice = "train a little with another train_strategy, which shows how long it waits for input"
        return Bottleneck(bound_by="unknown", tiles_per_second=rate, advice=advice)
    is_input = share >= INPUT_BOUND_SHARE
    step_seconds = circumstances.config.global_batch_size / rate if rate > 0 else 0.0
    return Bottleneck(
        bound_by="input" if is_input else "compute",
        input_wait_share=share,
        tiles_per_second=rate,
        step_seconds=step_seconds,
        advice=_faster_input(circumstances) if is_input else _faster_steps(circumstances, step_seconds),
    )


def in_short(bottleneck: Bottleneck) -> str:
    """Returns the verdict and the share of the time that it goes by."""
    share = bottleneck.input_wait_share
    if bottleneck.bound_by == "unknown":
        return "bound by what is not known, since its workers read by themselves"
    degree = "highly " if share >= HIGHLY_INPUT_BOUND_SHARE else ""
    return f"{degree}{bottleneck.bound_by}-bound, with {share:.1%} of its time spent waiting for input"


def speed_verdict(bottleneck: Bottleneck) -> str:
    """Returns one sentence with the verdict and the numbers, and one with what to change."""
    share, rate = bottleneck.input_wait_share, bottleneck.tiles_per_second
    numbers = f"{rate:,.0f} tiles/s"
    if bottleneck.bound_by == "input":
        numbers += f", of {rate / max(1.0 - share, 1e-3):,.0f} that the steps could take"
    if bottleneck.bound_by == "compute":
        numbers += f", {1000 * bottleneck.step_seconds:,.0f} ms a step"
    return f"training was {in_short(bottleneck)}: {numbers}. To make it faster, {bottleneck.advice}."


def _faster_input(c: Circumstances) -> str:
    ways = []
    if c.stored_size_px >= 2 * c.config.image_size_px:
        ways.append(
            f"store tiles smaller (shard_tile_size_px={c.config.image_size_px}; they have {c.stored_size_px} px)"
        )
    if c.is_remote:
        ways.append("keep data_root on a disk of the workers, or in a bucket of their region")
    ways.append(f"give each worker more processor cores for decoding (it has {c.num_threads})")
    return ", or ".join(ways)


def _faster_steps(c: Circumstances, step_seconds: float) -> str:
    ways = []
    if 0 < step_seconds < _SHORT_STEP_SECONDS and c.config.steps_per_call == 1:
        ways.append('take several steps per call ("steps_per_call": 10)')
    if c.device == "GPU":
        if c.config.precision == "float32":
            ways.append('compute in half the bits ("precision": "bfloat16")')
        if step_seconds < 10 * _SHORT_STEP_SECONDS:
            ways.append(f'fill the GPU with a larger batch ("global_batch_size": {2 * c.config.global_batch_size})')
    if c.device == "CPU":
        ways.append("train on a GPU")
    ways.append(f"use more workers than {c.num_workers}, each with cores or a device of its own")
    ways.append("choose a smaller backbone or image_size_px")
    return ", or ".join(ways)
