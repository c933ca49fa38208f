"""The experiment `augmentation`: does it help on held-out fields, and what does it cost on the tiles trained on?"""

from collections.abc import Sequence

from components.contracts.study import Finding
from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.learner import Learner
from components.study.experiments.learning.learning_arms import learning_arm, table_by_seed, with_seed
from components.study.experiments.learning.sizes import LearningSize, preset_tiles
from components.study.experiments.learning.training import learn

_ON, _OFF = "augmented", "as they are"


def run_augmentation(bench: Bench) -> Sequence[Result]:
    """Returns two findings with a table each, of the same trainings."""
    tiles = preset_tiles(bench.preset)
    arms = tuple(
        learning_arm(
            bench,
            tiles,
            name,
            augment=name == _ON,
            label_mode="single_label",
            epochs=LearningSize.of(bench.preset).epochs,
            global_batch_size=16,
        )
        for name in (_ON, _OFF)
    )
    comparison = ArmComparison(name="augmentation_test", factor="augmentation", arms=arms)
    learners = [Learner(tiles, arm.training.config, holds_batch_norm=False) for arm in arms]
    learned = [
        [learn(learner, with_seed(arm, seed), ("train", "test")) for learner, arm in zip(learners, arms, strict=True)]
        for seed in range(bench.preset.seeds)
    ]
    bench.say(f"{len(learned)} seeds with and without")
    witnesses = [{arm.name: each.witness for arm, each in zip(arms, row, strict=True)} for row in learned]
    by_split = {
        split: [[each.scores[split].macro_f1 for each in row] for row in learned] for split in ("train", "test")
    }
    test = table_by_seed(comparison, "macro F1", by_split["test"], witnesses)
    training = ArmComparison(name="augmentation_train", factor="augmentation", arms=arms)
    return [
        test,
        table_by_seed(training, "macro F1", by_split["train"], witnesses),
        Finding(claim="augmentation_helps_test", table=comparison.name, arms=(_ON, _OFF)),
        Finding(claim="augmentation_costs_training", table=training.name, arms=(_OFF, _ON)),
    ]
