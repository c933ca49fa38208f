"""Decides whether input or compute limits training speed, and what to change. Imports no TensorFlow.

The verdict depends on the share of time that the training loop waits for a batch (measured by step_clock.py), over all
epochs, at the worker that waits longest: in lockstep, all wait for the slowest. From 5 % up, training is input-bound;
from 20 % up, highly input-bound. TensorFlow's profiler uses the same limits, for "moderately" and "highly"
input-bound. Below 5 %, training is compute-bound: even free input would hardly make it faster.
"""

import dataclasses
from collections.abc import Sequence

from components.contracts import Bottleneck, EpochMetrics
from components.train.settings.config import TrainConfig

INPUT_BOUND_SHARE = 0.05
HIGHLY_INPUT_BOUND_SHARE = 0.2
_SHORT_STEP_SECONDS = 0.02  # starting a call takes about 2 ms, a tenth of such a step


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """The conditions of a training that affect its speed.

    Attributes:
      device: "CPU", "GPU" or "TPU".
      num_threads: CPU cores of each worker.
      stored_size_px: Shorter side of the smallest stored tiles, pixels.
      is_remote: The shards are in a bucket.
      waits_in_loop: The training loop itself waits for tiles; with the parameter server strategy, the workers do.
    """

    config: TrainConfig
    device: str
    num_workers: int
    num_threads: int
    stored_size_px: int
    is_remote: bool
    waits_in_loop: bool = True


def find_bottleneck(history: Sequence[EpochMetrics], circumstances: Circumstances) -> Bottleneck:
    """Returns what limited a training's speed.

    Args:
      history: One entry per epoch. Epochs read equally many tiles and are weighted by the time their training took.
      circumstances: The conditions of the training.
    """
    rows = [row for row in history if row.tiles_per_second > 0]
    times = [1 / row.tiles_per_second for row in rows]
    share = (
        sum(row.input_wait_share * time for row, time in zip(rows, times, strict=True)) / sum(times) if rows else 0.0
    )
    rate = len(rows) / sum(times) if rows else 0.0
    if not circumstances.waits_in_loop:
        advice = "train briefly with another train_strategy, which shows how long it waits for input"
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
    """Returns the verdict and the share of time that it is based on."""
    share = bottleneck.input_wait_share
    if bottleneck.bound_by == "unknown":
        return "bound by an unknown factor, because its workers read their own input"
    degree = "highly " if share >= HIGHLY_INPUT_BOUND_SHARE else ""
    return f"{degree}{bottleneck.bound_by}-bound, with {share:.1%} of its time spent waiting for input"


def speed_verdict(bottleneck: Bottleneck) -> str:
    """Returns one sentence with the verdict and its numbers, and one with advice."""
    share, rate = bottleneck.input_wait_share, bottleneck.tiles_per_second
    if not rate:
        return "training was too short to measure its speed."
    numbers = f"{rate:,.0f} tiles/s"
    if bottleneck.bound_by == "input":
        numbers += f", of {rate / max(1.0 - share, 1e-3):,.0f} that the steps could process"
    if bottleneck.bound_by == "compute":
        numbers += f", {1000 * bottleneck.step_seconds:,.0f} ms a step"
    return f"training was {in_short(bottleneck)}: {numbers}. To make it faster, {bottleneck.advice}."


def _faster_input(c: Circumstances) -> str:
    ways = []
    if c.stored_size_px >= 2 * c.config.image_size_px:
        ways.append(
            f"store smaller tiles (shard_tile_size_px={c.config.image_size_px}; they have {c.stored_size_px} px)"
        )
    if c.is_remote:
        ways.append("keep data_root on the workers' disks, or in a bucket in their region")
    ways.append(f"give each worker more CPU cores for decoding (it has {c.num_threads})")
    return ", or ".join(ways)


def _faster_steps(c: Circumstances, step_seconds: float) -> str:
    ways = []
    if 0 < step_seconds < _SHORT_STEP_SECONDS and c.config.steps_per_call == 1:
        ways.append('let training choose how many steps a call takes ("steps_per_call": 0)')
    if c.device == "GPU":
        if c.config.precision == "float32":
            ways.append('compute in half the bits ("precision": "bfloat16")')
        if step_seconds < 10 * _SHORT_STEP_SECONDS:
            ways.append(f'fill the GPU with a larger batch ("global_batch_size": {2 * c.config.global_batch_size})')
    if c.device == "CPU":
        ways.append("train on a GPU")
    ways.append(f"use more than {c.num_workers} workers, each with its own cores or device")
    ways.append("choose a smaller backbone or image_size_px")
    return ", or ".join(ways)
