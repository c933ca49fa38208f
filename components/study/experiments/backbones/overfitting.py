"""The experiment `epochs`: by how much validation loss rises again, if training goes on."""

import statistics
from collections.abc import Sequence

from components.contracts.study import Curve, Finding, RoundTable, Words
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.learner import Learner, Score
from components.study.experiments.learning.learning_arms import learning_arm, with_seed
from components.study.experiments.learning.sizes import preset_tiles
from components.study.experiments.learning.training import learn

NUM_EPOCHS = 50  # as the claim says, in every preset
_ALL, _BEST = "all epochs", "best epoch"
_FIGURE = "overfitting"


def run_overfitting(bench: Bench) -> Sequence[Result]:
    """Returns the finding with its table, and the curves of loss on tiles trained on and on held-out fields.

    Both numbers of a row are of one training, so there are no arms that could differ in more than epochs.
    """
    tiles = preset_tiles(bench.preset)
    arm = learning_arm(
        bench,
        tiles,
        _ALL,
        augment=False,
        label_mode="single_label",
        epochs=NUM_EPOCHS,
        global_batch_size=16,
        schedule="constant",
    )
    learner = Learner(tiles, arm.training.config, holds_batch_norm=False)
    by_seed: list[list[dict[str, Score]]] = []
    for seed in range(bench.preset.seeds):
        epochs: list[dict[str, Score]] = []

        def after(epoch: int, epochs: list[dict[str, Score]] = epochs) -> None:
            epochs.append({split: learner.score(split) for split in ("train", "val")})

        learn(learner, with_seed(arm, seed), (), after)
        by_seed.append(epochs)
        lowest = min(range(NUM_EPOCHS), key=lambda epoch: epochs[epoch]["val"].loss)
        bench.say(f"seed {seed}: validation loss is lowest at epoch {lowest + 1} of {NUM_EPOCHS}")
    rounds = [(epochs[-1]["val"].loss, min(epoch["val"].loss for epoch in epochs)) for epochs in by_seed]
    table = RoundTable(
        name="epochs_val_loss",
        factor="epochs",
        unit="loss",
        num_planned=len(rounds),
        seed=0,
        arms=(_ALL, _BEST),
        has_again=False,
        rounds=tuple(rounds),
    )
    finding = Finding(claim="few_epochs_avoid_overfitting", table=table.name, arms=(_ALL, _BEST))
    return [table, finding, *(_curve(split, by_seed) for split in ("train", "val"))]


def _curve(split: str, by_seed: Sequence[Sequence[dict[str, Score]]]) -> Curve:
    by_epoch = [[epochs[epoch][split].loss for epochs in by_seed] for epoch in range(NUM_EPOCHS)]
    return Curve(
        name=split,
        figure=_FIGURE,
        title=Words(
            english="Loss after each epoch, the median and the range of the seeds",
            spanish="Pérdida tras cada época: mediana y rango de las semillas",
        ),
        x_title=Words(english="epoch", spanish="época"),
        y_title=Words(english="loss", spanish="pérdida"),
        x=tuple(float(epoch + 1) for epoch in range(NUM_EPOCHS)),
        y=tuple(map(statistics.median, by_epoch)),
        low=tuple(map(min, by_epoch)),
        high=tuple(map(max, by_epoch)),
    )
