"""Measures 1, 2 and 4 workers of this machine in rounds, beside what the simulator makes of one worker's steps.

All arms have the same global batch, so that they learn the same. A worker of N has an Nth of it. How long it takes for
such a part is measured with N trainings side by side that know nothing of each other: a step has costs that a smaller
part does not shrink, and processes of one machine slow each other even if each has a core. The all-reduces are those
that as many workers measured, without computing: on too few cores they take longer than a ring of two makes foresee.
How long workers wait for each other is measured with two. So one and two workers check the bookkeeping, and four are
foreseen.
"""

import dataclasses
import os
import statistics
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from components.contracts.study import Curve, Finding, Matrix, RoundTable, Words
from components.measuring.rounds import round_orders
from components.scaling.checkpointing import NO_FAILURES
from components.scaling.ring import RingLink, all_reduce_seconds, link_of
from components.scaling.simulator import Job, Simulated, Workplace, simulate
from components.study.arms.arm import Arm, Placement, TileSource
from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.scale.advised_workers import advice_table, advise_workers
from components.study.experiments.scale.scale_training import (
    TrainedOnce,
    dataset_sha256,
    num_train_tiles,
    prepare_dataset,
    scale_settings,
    steps_of_epoch,
    train_once_on,
    train_side_by_side,
)
from components.study.protocol.measure_arms import NotRunHereError
from components.study.protocol.plan import Plan
from components.study.results.machine import machine_digest

CLAIM = "more_workers_faster"
_BATCH = {"ci": 32, "laptop": 64}
_AGAIN = "again"
_ROUNDS_BETWEEN = 3  # after one of so many, trainings run side by side
_NUMBERS = {"ci": (1, 2), "laptop": (1, 2, 4)}
_WITHIN = 0.1
_USUAL_LINK = RingLink(1e9, 1e-4)
_NAMES = {1: "one worker", 2: "two workers", 4: "four workers"}
_ON_GPUS = Words(
    english="workers with a GPU each need a pool of nodes, which this experiment does not start",
    spanish="procesos con una GPU cada uno necesitan varios nodos, que este experimento no inicia",
)
_ONE_CORE = Words(
    english="two workers with a core each need two cores", spanish="dos procesos con un núcleo cada uno necesitan dos"
)
_TITLE = Words(english="Seconds of an epoch by workers", spanish="Segundos por época según los procesos")
_WORKERS = Words(english="workers", spanish="procesos")
_SECONDS = Words(english="time of an epoch, s", spanish="tiempo por época, s")


def run_scale(bench: Bench) -> Sequence[Result]:
    """Returns the finding, its rounds, the simulated band beside what was measured, and what many workers would take.

    Raises:
      NotRunHereError: if the machine has too few cores, or the preset asks for GPUs.
    """
    if bench.preset.name == "gpu":
        raise NotRunHereError(_ON_GPUS)
    if not hasattr(os, "sched_setaffinity") or bench.machine.num_cores < 2:
        raise NotRunHereError(_ONE_CORE)
    data = prepare_dataset(bench.folder, bench.preset.num_tiles, bench.preset.tile_size_px)
    epochs, numbers = max(2, min(4, bench.preset.epochs)), _NUMBERS[bench.preset.name]
    batch = min(_BATCH[bench.preset.name], num_train_tiles(data))
    comparison = _comparison(bench, dataset_sha256(data), num_train_tiles(data), numbers, batch, epochs)
    plan = Plan(num_rounds=bench.preset.rounds)
    workers = {_NAMES[number]: number for number in numbers}
    sides = {**workers, _AGAIN: numbers[0]}
    rounds, taken, parts = [], dict[int, list[TrainedOnce]](), dict[int, list[list[TrainedOnce]]]()
    for place, order in enumerate(round_orders(sides, plan.num_rounds, plan.seed), 1):
        bench.say(f"round {place} of {plan.num_rounds}")
        measured = {}
        for side in order:
            number = sides[side]
            settings = scale_settings(number, batch, epochs)
            trained = train_once_on(data, settings, min(number, bench.machine.num_cores))
            taken.setdefault(number, []).append(trained)
            measured[side] = trained.epoch_seconds
        rounds.append(tuple(measured[side] for side in sides))
        if place % _ROUNDS_BETWEEN == 1 % _ROUNDS_BETWEEN:
            for number in numbers[1:]:
                settings = scale_settings(1, max(1, batch // number), epochs)
                parts.setdefault(number, []).append(train_side_by_side(data, settings, number))
    parts[1] = [[each] for each in taken[1]]
    table = RoundTable(
        name="scale",
        factor=comparison.factor,
        unit="s",
        num_planned=plan.num_rounds,
        seed=plan.seed,
        arms=tuple(workers),
        settings={name: msgspec.to_builtins(comparison.by_name[name]) for name in workers},
        has_again=True,
        rounds=tuple(rounds),
    )
    times = {number: [each.epoch_seconds for each in taken[number]] for number in numbers}
    foreseen = foresee(parts, taken, num_train_tiles(data), batch)
    return [
        Finding(claim=CLAIM, table=table.name, arms=(_NAMES[1], _NAMES[2])),
        table,
        *scale_results(times, foreseen, bench),
        advice_table(advise_workers(taken[1], _link(taken[2], 2), batch, wait_of_two(parts, taken))),
    ]


def foresee(
    parts: Mapping[int, Sequence[Sequence[TrainedOnce]]],
    taken: Mapping[int, Sequence[TrainedOnce]],
    num_tiles: int,
    batch: int,
) -> dict[int, Simulated]:
    """Returns an epoch of each number of workers, simulated.

    Args:
      parts: By number of workers, launches of as many trainings side by side, each with a worker's part of a batch.
      taken: By number of workers, what was measured; only the all-reduces are used of it.
    """
    found, wait = {}, wait_of_two(parts, taken)
    for number, launches in sorted(parts.items()):
        trained = [each for launch in launches for each in launch]
        job = Job(
            num_tiles=batch * steps_of_epoch(num_tiles, batch),
            tiles_per_step=max(1, batch // number),
            epochs=1,
            step_seconds=np.array([step for each in trained for step in each.step_seconds]),
            gradient_bytes=trained[0].gradient_bytes,
            reduces_per_step=trained[0].reduces_per_step,
            wait_of_two=wait,
        )
        place = Workplace(_link(taken.get(number, ()), number), NO_FAILURES)
        # The machine is faster at one time and slower at another, for all workers alike: none waits for that.
        together = [
            np.mean(steps) for launch in launches for steps in zip(*(each.step_seconds for each in launch), strict=True)
        ]
        epochs = [simulate(dataclasses.replace(job, step_seconds=np.array([step])), place, number) for step in together]
        low, middle, high = np.quantile([each.seconds[1] for each in epochs], (0.05, 0.5, 0.95)).tolist()
        found[number] = dataclasses.replace(simulate(job, place, number), seconds=(low, middle, high))
    return found


def wait_of_two(
    parts: Mapping[int, Sequence[Sequence[TrainedOnce]]], taken: Mapping[int, Sequence[TrainedOnce]]
) -> float:
    """Returns how long two workers wait for each other in a step; 0 unless two trained, and two side by side.

    It is what their steps take longer than those of two that know nothing of each other, but for the all-reduces.
    """
    if 2 not in parts or not taken.get(2):
        return 0.0
    together = statistics.median(step for each in taken[2] for step in each.step_seconds)
    apart = statistics.median(step for launch in parts[2] for each in launch for step in each.step_seconds)
    one = taken[2][0]
    reduces = all_reduce_seconds(one.gradient_bytes, 2, _link(taken[2], 2), one.reduces_per_step)
    return max(0.0, together - apart - reduces)


def _link(trained: Sequence[TrainedOnce], num_workers: int) -> RingLink:
    """Returns the link on which workers add up gradients in the time measured; a usual one if it was not."""
    reduced = [each for each in trained if each.reduce_seconds > 0]
    if not reduced:
        return _USUAL_LINK
    seconds = statistics.median(each.reduce_seconds for each in reduced)
    latency = statistics.median(each.reduce_latency_seconds for each in reduced)
    return link_of(seconds, reduced[0].gradient_bytes, num_workers, latency)


def scale_results(
    times: Mapping[int, Sequence[float]], foreseen: Mapping[int, Simulated], bench: Bench
) -> list[Result]:
    """Returns measured and simulated epochs as two lines, and how far they are apart."""
    numbers = tuple(times)
    middles = tuple(statistics.median(times[number]) for number in numbers)
    simulated = tuple(foreseen[number].seconds for number in numbers)
    ratios = tuple(each[1] / middle for each, middle in zip(simulated, middles, strict=True))
    for number, ratio in zip(numbers, ratios, strict=True):
        verdict = "within 10 %" if abs(ratio - 1) <= _WITHIN else "not within 10 %"
        bench.say(f"{number} workers: simulated / measured {ratio:.2f}, {verdict}")
    measured_line = Curve(
        name="measured",
        figure="scale",
        title=_TITLE,
        x_title=_WORKERS,
        y_title=_SECONDS,
        x=tuple(map(float, numbers)),
        y=middles,
        low=tuple(min(times[number]) for number in numbers),
        high=tuple(max(times[number]) for number in numbers),
        is_measured=True,
    )
    simulated_line = msgspec.structs.replace(
        measured_line,
        name="simulated",
        y=tuple(each[1] for each in simulated),
        low=tuple(each[0] for each in simulated),
        high=tuple(each[2] for each in simulated),
    )
    apart = Matrix(
        name="simulated_by_measured",
        title=Words(
            english="Simulated / measured time of an epoch: the model holds within 0.9 and 1.1. It was told what two "
            "workers waited, so that more than two are what it foresees",
            spanish="Tiempo por época simulado / medido: el modelo vale entre 0,9 y 1,1. Conoce la espera de dos "
            "procesos; lo que prevé es el tiempo de más de dos",
        ),
        unit="times",
        row_title=Words(english="ratio", spanish="cociente"),
        column_title=_WORKERS,
        rows=("simulated / measured",),
        columns=tuple(map(str, numbers)),
        values=(ratios,),
        is_measured=True,
    )
    return [measured_line, simulated_line, apart]


def _comparison(
    bench: Bench, dataset: str, num_tiles: int, numbers: Sequence[int], batch: int, epochs: int
) -> ArmComparison:
    machine = machine_digest(bench.machine)
    arms = tuple(
        Arm(
            name=_NAMES[number],
            source=TileSource(dataset=dataset, num_tiles=num_tiles, tile_size_px=bench.preset.tile_size_px),
            training=scale_settings(number, batch, epochs),
            place=Placement(machine=machine, num_cores=min(number, bench.machine.num_cores)),
        )
        for number in numbers
    )
    return ArmComparison(name="scale", factor="num_workers", arms=arms)
