"""Measures the arms of a comparison by turns, with the first arm twice (A/A)."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from components.contracts.study import RoundTable, Witness, Words
from components.errors import AgrivisionError, DataError, SettingsError
from components.measuring.rounds import take_rounds
from components.study.arms.arm import Arm
from components.study.arms.arm_comparison import ArmComparison
from components.study.arms.deep_difference import deep_differences
from components.study.arms.witness_check import check_witnesses
from components.study.protocol.arm_process import RunningArm
from components.study.protocol.plan import Plan

OpenArm: TypeAlias = Callable[[Arm], contextlib.AbstractContextManager[RunningArm]]
AGAIN = "again"  # ends the name of the second process of the first arm


class NotRunHereError(AgrivisionError):
    """An arm cannot run on this machine: it has no GPU, or too little memory.

    Attributes:
      reason: Why, for the page.
    """

    def __init__(self, reason: Words) -> None:
        super().__init__(f"not run here: {reason.english}")
        self.reason = reason


def measure_arms(comparison: ArmComparison, plan: Plan, open_arm: OpenArm, unit: str = "s") -> RoundTable:
    """Returns the rounds of a comparison.

    The first arm that can run here runs in two processes, as if it were two arms: what one process has by luck, such as
    where its memory lies, is then a part of what A/A shows.

    Args:
      open_arm: Makes an arm ready; raises NotRunHereError if it cannot run here.

    Raises:
      SettingsError: if what the arms did shows that they differ in more than the factor, or two have one name.
      DataError: if an arm fails, or does not do the same twice.
    """
    with contextlib.ExitStack() as stack:
        running: dict[str, RunningArm] = {}
        not_run: dict[str, Words] = {}
        for arm in comparison.arms:
            try:
                running[arm.name] = stack.enter_context(open_arm(arm))
            except NotRunHereError as error:
                not_run[arm.name] = error.reason
        ran = [arm for arm in comparison.arms if arm.name in running]
        if not ran:
            return _table(comparison, plan, unit, {}, not_run, [])
        first = ran[0]
        again = f"{first.name} {AGAIN}"
        if again in comparison.by_name:
            raise SettingsError(
                f"comparison {comparison.name!r}: no arm may be called {again!r}, which is the second process of "
                f"{first.name!r}; give it another name"
            )
        running[again] = stack.enter_context(open_arm(dataclasses.replace(first, name=again)))
        witnesses = {name: arm.witness() for name, arm in running.items()}
        _check_again(comparison, first.name, witnesses[first.name], witnesses.pop(again))
        check_witnesses(comparison, witnesses)
        turns = {name: arm.turn for name, arm in running.items()}
        rounds = take_rounds(turns, plan.num_rounds, plan.seed)
        return _table(comparison, plan, unit, witnesses, not_run, [tuple(each.values()) for each in rounds])


def _check_again(comparison: ArmComparison, name: str, one: Witness, other: Witness) -> None:
    if found := next(deep_differences(one, other), None):
        what, left, right = found
        raise DataError(
            f"comparison {comparison.name!r}: the arm {name!r} does not do the same twice: {what} was {left!r} and "
            f"then {right!r}; nothing can be compared with it"
        )


def _table(
    comparison: ArmComparison,
    plan: Plan,
    unit: str,
    witnesses: dict[str, Witness],
    not_run: dict[str, Words],
    rounds: list[tuple[float, ...]],
) -> RoundTable:
    return RoundTable(
        name=comparison.name,
        factor=comparison.factor,
        unit=unit,
        num_planned=plan.num_rounds,
        seed=plan.seed,
        arms=tuple(witnesses),
        settings={name: msgspec.to_builtins(comparison.by_name[name]) for name in witnesses},
        has_again=bool(witnesses),
        rounds=tuple(rounds),
        witnesses=witnesses,
        not_run=not_run,
    )
