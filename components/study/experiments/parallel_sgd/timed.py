"""The experiment `parallel_sgd_time`: an epoch of one worker, and of two that average their gradients."""

from collections.abc import Sequence

from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.learning_arms import timed_arm_of
from components.study.experiments.learning.sizes import preset_tiles
from components.study.experiments.learning.timed_arm import measure_epochs, timed_finding

_BATCH_SIZE = 32


def run_timed_workers(bench: Bench) -> Sequence[Result]:
    """Returns the table of times and its finding; each worker has a core, and both have the same global batch."""
    tiles = preset_tiles(bench.preset)
    comparison = ArmComparison(
        name="averaged_time",
        factor="num_workers",
        arms=(
            timed_arm_of(bench, tiles, "one worker", 1, 1, _BATCH_SIZE),
            timed_arm_of(bench, tiles, "two workers", 2, 2, _BATCH_SIZE),
        ),
    )
    table = measure_epochs(bench, comparison)
    return [table, timed_finding("averaged_sgd_faster", table, comparison)]
