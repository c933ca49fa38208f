"""The experiment `batch_size`: what small and large batches learn, and the noise scale that says why."""

import math
from collections.abc import Sequence

from components.contracts.study import Curve, Finding, Matrix, RoundTable, Words
from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.batch_size.noise_scale import measured_noise_scale
from components.study.experiments.batch_size.trials import BATCHES, EPOCHS, RULES, UPDATES, BatchTrials, RateRule
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.learner import Learner
from components.study.experiments.learning.learning_arms import table_by_seed
from components.study.experiments.learning.sizes import preset_tiles
from components.study.experiments.learning.tiles import CLASSES, TileSet
from components.study.experiments.learning.training import learn

_MOST_GRID_SEEDS = 3
_NUM_DRAWS = {"ci": 4, "laptop": 16, "gpu": 64}
_MOST_POINTS = 12  # of the curve of the noise scale
_HIGHEST_LOSS = 2 * math.log(len(CLASSES))
_FACTORS = {EPOCHS: "batch_size_at_equal_epochs", UPDATES: "batch_size_at_equal_updates"}


def run_by_batch(bench: Bench) -> Sequence[Result]:
    """Returns one finding, a table for equal epochs and for equal updates, heat maps, and the noise scale.

    The smallest batch is compared with the largest by the rule for rates that is best for the largest on the
    validation split, so that a large batch is not called worse for a rate that nobody would give it.
    """
    tiles = preset_tiles(bench.preset)
    trials = BatchTrials(bench, tiles)
    seeds = range(bench.preset.seeds)
    tables = []
    for held, factor in _FACTORS.items():
        rule = trials.best_rule(BATCHES[-1], held, seeds[:_MOST_GRID_SEEDS])
        bench.say(f"{held}: a batch of {BATCHES[-1]} learns best with the {rule.name}")
        tables.append(_table(factor, trials, rule, held, seeds))
    small, large = f"batch {BATCHES[0]}", f"batch {BATCHES[-1]}"
    results: list[Result] = [
        *tables,
        Finding(claim="larger_batches_worse", table=tables[0].name, arms=(small, large)),
        *_heat_maps(trials, seeds[:_MOST_GRID_SEEDS]),
    ]
    if curve := _noise(bench, tiles, trials):
        results.append(curve)
    return results


def _table(factor: str, trials: BatchTrials, rule: RateRule, held: str, seeds: Sequence[int]) -> RoundTable:
    ends = (BATCHES[0], BATCHES[-1])
    arms = tuple(trials.arm(batch, rule, held, seeds[0]) for batch in ends)
    learned = [[trials.learned(batch, rule, held, seed) for batch in ends] for seed in seeds]
    return table_by_seed(
        ArmComparison(name=factor, factor=factor, arms=arms),
        "macro F1",
        [[each.scores["test"].macro_f1 for each in row] for row in learned],
        [{arm.name: each.witness for arm, each in zip(arms, row, strict=True)} for row in learned],
    )


def _heat_maps(trials: BatchTrials, seeds: Sequence[int]) -> list[Matrix]:
    matrices = []
    for held, english, spanish in (
        (EPOCHS, "after equal epochs", "tras las mismas épocas"),
        (UPDATES, "after equal updates", "tras las mismas actualizaciones"),
    ):
        found = {(batch, rule): trials.means(batch, rule, held, seeds) for batch in BATCHES for rule in RULES}
        for place, unit, what, que, highest in (
            (0, "macro F1", "Macro F1", "F1 macro", 1.0),
            (1, "loss", "Loss, cut at twice that of a guess,", "Pérdida, hasta el doble del azar,", _HIGHEST_LOSS),
        ):
            matrices.append(
                Matrix(
                    name=f"batch_{unit}_{held}".replace(" ", "_").lower(),
                    title=Words(
                        english=f"{what} on validation fields {english}, mean of {len(seeds)} seeds",
                        spanish=f"{que} en campos de validación {spanish}, media de {len(seeds)} semillas",
                    ),
                    unit=unit,
                    row_title=Words(english="batch", spanish="lote"),
                    column_title=Words(english="learning rate", spanish="tasa de aprendizaje"),
                    rows=tuple(map(str, BATCHES)),
                    columns=tuple(rule.name for rule in RULES),
                    values=tuple(tuple(min(found[batch, rule][place], highest) for rule in RULES) for batch in BATCHES),
                )
            )
    return matrices


def _noise(bench: Bench, tiles: TileSet, trials: BatchTrials) -> Curve | None:
    """Returns the noise scale by epoch, without epochs in which the gradient cannot be told from its noise."""
    arm = trials.arm(BATCHES[0], RULES[0], EPOCHS)
    config, num_tiles = arm.training.config, arm.source.num_tiles
    # Normalised over the batch, a tile's gradient would depend on the others, and have no noise scale.
    learner = Learner(tiles, config, holds_batch_norm=True)
    num_draws = _NUM_DRAWS[bench.preset.name]
    found: list[tuple[float, float]] = []

    def after(epoch: int) -> None:
        every = -(-config.epochs // _MOST_POINTS)
        if epoch % every == 0 and (scale := measured_noise_scale(learner, config, num_tiles, num_draws)) is not None:
            found.append((float(epoch), scale))

    learn(learner, arm, splits=(), after_epoch=after)
    bench.say("noise scale " + (f"{found[-1][1]:.0f} tiles" if found else "not told from noise"))
    if not found:
        return None
    return Curve(
        name="noise scale",
        figure="noise_scale",
        title=Words(
            english="Gradient noise scale (McCandlish et al. 2018): larger batches than this hardly save updates",
            spanish="Escala de ruido del gradiente (McCandlish et al. 2018): lotes mayores apenas ahorran pasos",
        ),
        x_title=Words(english="epochs", spanish="épocas"),
        y_title=Words(english="tiles", spanish="teselas"),
        x=tuple(x for x, _ in found),
        y=tuple(y for _, y in found),
    )
