"""What arms did must agree with what they promise, and with each other.

Arms that read equal pixels, in equal order, from equal weights must have loss curves that are equal bit by bit, unless
the factor itself changes what is computed. Then only time and memory can differ, and that is what is compared.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from components.contracts.study import Witness
from components.study.arms.arm import Arm
from components.study.arms.arm_comparison import ArmComparison
from components.study.arms.derived import derived

# In the order in which a difference is told: what comes first explains what follows.
_WITNESSED = (
    "dataset",
    "machine",
    "input_shape",
    "input_dtype",
    "num_updates",
    "order",
    "initial_weights",
)


def check_witnesses(comparison: ArmComparison, witnesses: Mapping[str, Witness]) -> None:
    """Refuses arms that did something else than the factor apart.

    Args:
      witnesses: By arm; arms that could not run have none.

    Raises:
      SettingsError: names two arms, or an arm and its settings, and the first difference.
    """
    ran = [arm for arm in comparison.arms if arm.name in witnesses]
    for arm in ran:
        _check_promise(comparison, arm, witnesses[arm.name])
    # All pairs: two arms may read pixels that are equal to each other's, and not to the first arm's.
    for one, other in itertools.combinations(ran, 2):
        _check_pair(comparison, one.name, other.name, witnesses[one.name], witnesses[other.name])


def _check_promise(comparison: ArmComparison, arm: Arm, witness: Witness) -> None:
    follows = derived(arm)
    side = follows["input_size_px"]
    promises: tuple[tuple[str, Any, Any], ...] = (
        ("dataset", arm.source.dataset, witness.dataset),
        ("machine", arm.place.machine, witness.machine),
        ("input_shape", (side, side), witness.input_shape[:2]),
        ("num_updates", follows["num_updates"], witness.num_updates),
        ("num_tiles_read", follows["num_tiles_read"], witness.num_tiles_read),
        ("the number of losses", witness.num_updates, len(witness.losses)),
    )
    for what, promised, done in promises:
        if promised != done:
            comparison.refuse(f"{arm.name} by its settings", f"{arm.name} as it ran", what, promised, done)


def _check_pair(comparison: ArmComparison, one: str, other: str, left: Witness, right: Witness) -> None:
    changes = comparison.what_differs.changes
    for what in _WITNESSED:
        if what not in changes and getattr(left, what) != getattr(right, what):
            comparison.refuse(one, other, what, getattr(left, what), getattr(right, what))
    if left.batches == right.batches and left.reads_same_pixels is not right.reads_same_pixels:
        comparison.refuse(
            one, other, "reads_same_pixels, with equal batches", left.reads_same_pixels, right.reads_same_pixels
        )
    both = left.reads_same_pixels and right.reads_same_pixels
    if both and "batches" not in changes and left.batches != right.batches:
        comparison.refuse(one, other, "batches", left.batches, right.batches)
    if "losses" not in changes and left.batches == right.batches:
        for step, losses in enumerate(zip(left.losses, right.losses, strict=True), 1):
            if losses[0] != losses[1]:
                comparison.refuse(one, other, f"the loss of step {step:,}", *losses)
