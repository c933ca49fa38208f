"""The experiment `parallel_sgd`: averaged and delayed SGD against sequential SGD, each at its best rate."""

import math
from collections.abc import Sequence

from components.contracts.study import Curve, Finding, Matrix, RoundTable, Words
from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.learning_arms import table_by_seed
from components.study.experiments.learning.sizes import preset_tiles
from components.study.experiments.learning.tiles import CLASSES, TileSet
from components.study.experiments.parallel_sgd.equal_batches import weight_differences
from components.study.experiments.parallel_sgd.server_delay import server_delays
from components.study.experiments.parallel_sgd.ways import (
    AVERAGED,
    DELAYED,
    MOST_GRID_SEEDS,
    NUM_AVERAGED,
    RATES,
    SEQUENTIAL,
    TILES_PER_WORKER,
    WAYS,
    Way,
    WaysGrid,
)

JUDGED_DELAY = 4
_NUM_EQUAL_UPDATES = 10
_HIGHEST_LOSS = 2 * math.log(len(CLASSES))  # twice a guess's; a training that diverged has none
_RATE = Words(english="learning rate", spanish="tasa de aprendizaje")
_WAY = Words(english="way to update", spanish="forma de actualizar")
_BYTES_PER_WEIGHT = 4


def run_simulated(bench: Bench) -> Sequence[Result]:
    """Returns two findings, each with its table, the heat maps, the delay of real workers, and what averaging costs."""
    tiles = preset_tiles(bench.preset)
    grid = WaysGrid(bench, tiles)
    seeds = range(bench.preset.seeds)
    grid_seeds = seeds[:MOST_GRID_SEEDS]
    curve = _differences(grid, tiles)
    bench.say(f"averaged = one batch, largest difference {max(curve.y):.1e}")
    best = {}
    for way in WAYS:
        best[way.name] = grid.best_rate(way, grid_seeds)
        bench.say(f"{way.name}: best of {len(RATES)} rates {best[way.name]:g}")
    late = next(way for way in DELAYED if way.parallelism.delay == JUDGED_DELAY)
    averaged = _table("averaging", "averaging_at_best_rate", grid, AVERAGED, best, seeds)
    delayed = _table("delay", "delay_at_best_rate", grid, late, best, seeds)
    return [
        averaged,
        delayed,
        Finding(claim="averaged_sgd_worse", table=averaged.name, arms=(SEQUENTIAL.name, AVERAGED.name)),
        Finding(claim="delayed_sgd_converges", table=delayed.name, arms=(SEQUENTIAL.name, late.name)),
        curve,
        *_heat_maps(grid, grid_seeds),
        *server_delays(bench),
        _costs(grid),
    ]


def _table(
    name: str, factor: str, grid: WaysGrid, way: Way, best: dict[str, float], seeds: Sequence[int]
) -> RoundTable:
    arms = [grid.arm(each, best[each.name], seeds[0]) for each in (SEQUENTIAL, way)]
    learned = [[grid.learned(each, best[each.name], seed) for each in (SEQUENTIAL, way)] for seed in seeds]
    return table_by_seed(
        ArmComparison(name=name, factor=factor, arms=tuple(arms)),
        "macro F1",
        [[each.scores["test"].macro_f1 for each in row] for row in learned],
        [{arm.name: each.witness for arm, each in zip(arms, row, strict=True)} for row in learned],
    )


def _differences(grid: WaysGrid, tiles: TileSet) -> Curve:
    config = grid.arm(AVERAGED, RATES[-1]).training.config
    found = weight_differences(grid.learner, config, len(tiles.splits["train"]), NUM_AVERAGED, _NUM_EQUAL_UPDATES)
    return Curve(
        name=AVERAGED.name,
        figure="averaging_difference",
        title=Words(
            english="Largest difference of a weight between averaged gradients and one big batch",
            spanish="Mayor diferencia de un peso entre gradientes promediados y un solo lote grande",
        ),
        x_title=Words(english="updates", spanish="actualizaciones"),
        y_title=Words(english="difference", spanish="diferencia"),
        x=tuple(map(float, range(1, len(found) + 1))),
        y=tuple(found),
    )


def _heat_maps(grid: WaysGrid, seeds: Sequence[int]) -> list[Matrix]:
    found = {(way.name, rate): grid.means(way, rate, seeds) for way in WAYS for rate in RATES}

    def matrix(name: str, title: Words, unit: str, place: int, highest: float) -> Matrix:
        return Matrix(
            name=name,
            title=title,
            unit=unit,
            row_title=_WAY,
            column_title=_RATE,
            rows=tuple(way.name for way in WAYS),
            columns=tuple(f"{rate:g}" for rate in RATES),
            values=tuple(tuple(min(found[way.name, rate][place], highest) for rate in RATES) for way in WAYS),
        )

    return [
        matrix(
            "delay_macro_f1",
            Words(
                english=f"Macro F1 on validation fields, mean of {len(seeds)} seeds; 0 if the training diverged",
                spanish=f"F1 macro en campos de validación, media de {len(seeds)} semillas; 0 si divergió",
            ),
            "macro F1",
            0,
            1.0,
        ),
        matrix(
            "delay_loss",
            Words(
                english=f"Loss on validation fields, mean of {len(seeds)} seeds, cut at twice that of a guess",
                spanish=f"Pérdida en campos de validación, media de {len(seeds)} semillas, hasta el doble del azar",
            ),
            "loss",
            1,
            _HIGHEST_LOSS,
        ),
    ]


def _costs(grid: WaysGrid) -> Matrix:
    """Returns what a tile costs, computed: all ways take one gradient a tile, and differ in updates and messages."""
    weights = sum(values.size for _, values in grid.learner.weights()) * _BYTES_PER_WEIGHT
    ring = 2 * (NUM_AVERAGED - 1) * weights / (NUM_AVERAGED * TILES_PER_WORKER)  # all workers together send this
    return Matrix(
        name="averaging_costs",
        title=Words(
            english="What a tile costs; an all-reduce in a ring sends 2 (N − 1) times the weights",
            spanish="Lo que cuesta una tesela; un all-reduce en anillo envía 2 (N − 1) veces los pesos",
        ),
        unit="by tile",
        row_title=_WAY,
        column_title=Words(english="cost", spanish="costo"),
        rows=(SEQUENTIAL.name, AVERAGED.name),
        columns=("gradients", "updates", "bytes sent"),
        values=((1.0, 1 / TILES_PER_WORKER, 0.0), (1.0, 1 / (NUM_AVERAGED * TILES_PER_WORKER), ring)),
        has_one_unit=False,
    )
