"""A comparison of arms, which names its one factor and is refused if anything else differs."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, NoReturn

from components.errors import SettingsError
from components.setting import nearest
from components.study.arms.arm import Arm
from components.study.arms.deep_difference import deep_differences
from components.study.arms.derived import derived
from components.study.arms.factors import FACTORS, Factor

_MOST_SHOWN = 80  # characters of a value


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmComparison:
    """Arms that differ in one thing.

    Attributes:
      name: What results call it.
      factor: A key of FACTORS.
      arms: At least two; each is compared with the first.

    Raises:
      SettingsError: if the arms differ in anything but the factor, or not in it; names two arms and the difference.
    """

    name: str
    factor: str
    arms: tuple[Arm, ...]

    def __post_init__(self) -> None:
        if self.factor not in FACTORS:
            meant = nearest(self.factor, FACTORS)
            raise SettingsError(
                f"comparison {self.name!r}: unknown factor {self.factor!r}{meant}; expected one of {', '.join(FACTORS)}"
            )
        if len(self.arms) < 2:
            raise SettingsError(f"comparison {self.name!r} needs at least 2 arms, got {len(self.arms)}")
        for one, other in itertools.combinations(self.arms, 2):
            self._check_pair(one, other)

    @property
    def what_differs(self) -> Factor:
        """Its factor."""
        return FACTORS[self.factor]

    @property
    def by_name(self) -> Mapping[str, Arm]:
        """The arms by their names."""
        return {arm.name: arm for arm in self.arms}

    def _check_pair(self, one: Arm, other: Arm) -> None:
        factor, is_compared = self.what_differs, False
        if one.name == other.name:
            raise SettingsError(f"comparison {self.name!r}: two arms have the name {one.name!r}; give each its own")
        for path, left, right in deep_differences(dataclasses.replace(one, name=other.name), other):
            if path not in factor.fields:
                self.refuse(one.name, other.name, path, left, right)
            is_compared = True
        if not is_compared:
            raise SettingsError(
                f"comparison {self.name!r}: the arms {one.name!r} and {other.name!r} do not differ in the factor "
                f"{self.factor!r}; change {' or '.join(factor.fields)} of one of them"
            )
        for path, left, right in deep_differences(derived(one), derived(other)):
            if path.partition("[")[0] not in factor.changes:
                self.refuse(one.name, other.name, path, left, right)

    def refuse(self, one: str, other: str, what: str, left: Any, right: Any) -> NoReturn:
        """Refuses two arms for a difference that the factor does not explain.

        Raises:
          SettingsError: always; names the arms and the difference.
        """
        raise SettingsError(
            f"comparison {self.name!r}: the factor is {self.factor!r}, but the arms {one!r} and {other!r} also "
            f"differ in {what}: {_shown(left)} and {_shown(right)}; make it equal"
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
