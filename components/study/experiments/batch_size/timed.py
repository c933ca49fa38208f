"""The experiment `batch_size_time`: an epoch in batches of 8, and of 64."""

from collections.abc import Sequence

from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.learning_arms import timed_arm_of
from components.study.experiments.learning.sizes import preset_tiles
from components.study.experiments.learning.timed_arm import measure_epochs, timed_finding

_SMALL, _LARGE = 8, 64  # as the claim says


def run_timed_batches(bench: Bench) -> Sequence[Result]:
    """Returns the table of times and its finding; both arms have all cores."""
    tiles, num_cores = preset_tiles(bench.preset), max(bench.machine.num_cores, 1)
    comparison = ArmComparison(
        name="batch_time",
        factor="batch_size_at_equal_epochs",
        arms=tuple(timed_arm_of(bench, tiles, f"batch {size}", 1, num_cores, size) for size in (_SMALL, _LARGE)),
    )
    table = measure_epochs(bench, comparison)
    return [table, timed_finding("larger_batches_faster", table, comparison)]
