"""Training: whether it waits for input, what a second worker adds, and the effect of several steps per call."""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator

from bench.cores import started_on
from bench.gang import Gang
from bench.pairs import Row, Side, summarise
from bench.run_settings import Setup
from bench.sides import compare
from bench.trainee import BenchTrainee, lazy_turn, limit_threads
from components.train.checkpoint.checkpoint_writer import CheckpointWriter
from components.train.checkpoint.checkpoints import TrainingState
from components.train.checkpoint.snapshot import named_variables
from components.train.input.reader import Batch
from components.train.settings.config import TrainConfig

SMALL = TrainConfig(backbone="small", image_size_px=128, global_batch_size=32)
EACH = TrainConfig(backbone="small", image_size_px=128, global_batch_size=64)  # the batch is that of each worker
# Small enough that a step takes about a second on two cores.
RESNET50 = TrainConfig(backbone="resnet50", image_size_px=128, global_batch_size=8)
# So little work in a step that the overhead of the call shows.
SHORT_STEPS = TrainConfig(backbone="small", image_size_px=32, global_batch_size=4)
_STEPS_TOGETHER = 8
_ROUNDS = 7
_CHECKPOINTS = 5


def starvation_small(setup: Setup, target: float) -> Row:
    """Training from shards against training on one batch, with the small backbone."""
    return _starvation("starvation_small", setup, SMALL, 30, target)


def starvation_resnet50(setup: Setup, target: float) -> Row:
    """Training from shards against training on one batch, with ResNet50."""
    return _starvation("starvation_resnet50", setup, RESNET50, 6, target)


def starvation_small_shared(setup: Setup, target: float | None) -> Row:
    """The same with steps and reader on the same cores: includes the time that decoding takes from the steps."""
    return _starvation("starvation_small_shared", setup, SMALL, 30, target, apart=False)


def starvation_resnet50_shared(setup: Setup, target: float | None) -> Row:
    """The same with steps and reader on the same cores: includes the time that decoding takes from the steps."""
    return _starvation("starvation_resnet50_shared", setup, RESNET50, 6, target, apart=False)


def _starvation(
    name: str, setup: Setup, config: TrainConfig, num_calls: int, target: float | None, apart: bool = True
) -> Row:
    cores = sorted(os.sched_getaffinity(0))
    half = max(1, len(cores) // 2)
    device, host = (set(cores[:half]), set(cores[half:]) or set(cores)) if apart else (set(cores), set(cores))

    def trainee() -> BenchTrainee:
        os.sched_setaffinity(0, device)  # before TensorFlow starts its threads, which inherit it
        limit_threads(len(device))
        return BenchTrainee(setup.dataset, config)

    def from_shards() -> tuple[BenchTrainee, Iterator[Batch]]:
        made = trainee()
        return made, started_on(host, made.batches(len(host)))

    def cached() -> tuple[BenchTrainee, Iterator[Batch]]:
        made = trainee()
        return made, itertools.repeat(next(made.batches(1)))

    where = "on its own cores" if apart else "on the same cores"
    return compare(
        name,
        Side(
            f"training from shards: {config.backbone}, {config.image_size_px} px, batches of "
            f"{config.global_batch_size}, steps on {len(device)} cores, the reader {where}",
            lazy_turn(from_shards, num_calls),
        ),
        Side("the same steps on one batch in memory", lazy_turn(cached, num_calls)),
        setup,
        target,
    )


def steps_per_call(setup: Setup, target: float | None) -> Row:
    """Several short steps in one call of the device, against one step per call."""
    several = TrainConfig(
        backbone=SHORT_STEPS.backbone,
        image_size_px=SHORT_STEPS.image_size_px,
        global_batch_size=SHORT_STEPS.global_batch_size,
        steps_per_call=_STEPS_TOGETHER,
    )

    def side(config: TrainConfig) -> Side:
        def make() -> tuple[BenchTrainee, Iterator[Batch]]:
            trainee = BenchTrainee(setup.dataset, config)
            return trainee, itertools.repeat(next(trainee.batches(1)))

        what = (
            f"{config.steps_per_call or 1} steps per call: {config.backbone}, {config.image_size_px} px, batches of "
            f"{config.global_batch_size}, in memory"
        )
        return Side(what, lazy_turn(make, 400 // (config.steps_per_call or 1)))

    return compare("steps_per_call", side(several), side(SHORT_STEPS), setup, target)


def two_workers_vs_twice_one(setup: Setup, target: float) -> Row:
    """Two workers in lockstep, on one core each, against the sum of two that run alone; all read from shards."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise ImportError("two processor cores")  # for the table: skipped, with the reason
    num_calls, num_rounds = 12, min(setup.num_rounds, _ROUNDS)
    rounds, at_once = [], []
    with Gang(setup, EACH, cores) as two, Gang(setup, EACH, cores[:1]) as one, Gang(setup, EACH, cores[1:]) as other:
        for number in range(num_rounds + 1):
            together = two.turn(num_calls)
            # One after the other, so that each alone has what cores share, such as memory bandwidth.
            alone = one.turn(num_calls) + other.turn(num_calls)
            one.start_turn(num_calls)
            other.start_turn(num_calls)
            side_by_side = one.finish_turn() + other.finish_turn()
            if number:  # the first does not count
                rounds.append([together, alone])
                at_once.append(together / side_by_side)
    return summarise(
        "two_workers_vs_twice_one",
        rounds,
        target,
        ours_is="2 workers in lockstep (MultiWorkerMirroredStrategy), each with a core and "
        f"{EACH.global_batch_size} tiles of every batch: {EACH.backbone}, {EACH.image_size_px} px, from shards",
        other_is="one worker on the first core, then one on the second, rates added",
        note=f"{statistics.median(at_once):.2f} of two independent workers at the same time",
        details={"ratios_to_two_at_once": at_once},
    )


def checkpoint_stall_seconds(setup: Setup, target: float | None) -> Row:
    """How long training pauses for a checkpoint, against how long writing it takes."""
    with tempfile.TemporaryDirectory(dir=setup.folder) as root:
        trainee = BenchTrainee(setup.dataset, RESNET50)
        batches = itertools.repeat(next(trainee.batches(1)))
        variables = named_variables(trainee.model, optimizer=trainee.optimizer)
        writer = CheckpointWriter(root, variables, keep=2, every_seconds=1e-9, writes=True)
        trainee.take(batches, 1)  # compiles
        undisturbed = trainee.take(batches, 3) / 3
        rounds, beside = [], []
        for number in range(_CHECKPOINTS + 1):
            start = time.perf_counter()
            writer.save(TrainingState(epoch=number))
            while not writer.is_due():
                beside.append(trainee.take(batches, 1))
            if number:  # the first finds an empty folder
                rounds.append([writer.stalls[-1], time.perf_counter() - start])
        num_bytes = sum(variable.numpy().nbytes for variable in variables.values())
    stalls = [stall for stall, _ in rounds]
    return summarise(
        "checkpoint_stall_seconds",
        rounds,
        target,
        unit="s",
        ours_is=f"seconds that a step waits for a checkpoint of {RESNET50.backbone} with its optimizer "
        f"({num_bytes / 1e6:,.0f} MB)",
        other_is="seconds from then until it is written, while steps continue",
        note=f"longest {max(stalls):.3f} s; a step takes {undisturbed:.2f} s, "
        f"{statistics.median(beside):.2f} s during the writing",
        details={"megabytes": num_bytes / 1e6, "step_seconds": undisturbed, "step_seconds_beside_writing": beside},
    )
