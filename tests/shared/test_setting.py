"""A setting is declared once; its check and its message follow from that."""

import dataclasses
from typing import Any

import pytest

from components.errors import SettingsError
from components.setting import Setting, check_settings, parameter_name, setting, settings_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    count: int = setting(1, "A count.", at_least=1)
    seed: int = setting(0, "A seed.", at_least=0, below=2**63)
    share: float = setting(0.5, "A share.", at_least=0, at_most=1)
    decay: float = setting(0.9, "A decay.", at_least=0, below=1)
    factor: float = setting(1.0, "A factor.", above=0)
    kind: str = setting("a", "A kind.", choices=("a", "b"))
    name: str = setting("n", "A name.")
    note: str = setting("", "A note.", may_be_empty=True)
    labels: dict[str, str] = setting({}, "Labels.")
    taints: list[str] = setting([], "Taints.", parameter="pool_taints")
    is_on: bool = setting(True, "A switch.")
    derived: int = 7

    def __post_init__(self) -> None:
        check_settings(self, "step_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "step_count must be at least 1, got 0"),
        ({"count": 1.0}, r"step_count must be a whole number, got 1\.0"),
        ({"count": "1"}, "step_count must be a whole number, got '1'"),
        ({"count": True}, "step_count must be a whole number, got True"),
        ({"seed": 2**63}, r"step_seed must be at least 0 and below 2\^63, got 9223372036854775808"),
        ({"seed": 10**400}, r"step_seed must be at least 0 and below 2\^63"),
        ({"share": 1.5}, r"step_share must be between 0 and 1, got 1\.5"),
        ({"share": float("nan")}, "step_share must be between 0 and 1, got nan"),
        ({"decay": 1}, "step_decay must be at least 0 and below 1, got 1"),
        ({"factor": 0}, "step_factor must be above 0, got 0"),
        ({"factor": float("inf")}, "step_factor must be above 0, got inf"),
        ({"kind": "c"}, "unknown step_kind 'c'; expected one of a, b"),
        ({"name": " "}, "step_name must not be empty"),
        ({"name": None}, "step_name must be text, got None"),
        ({"labels": []}, r"step_labels must be an object such as \{\}, got \[\]"),
        ({"taints": {}}, r"pool_taints must be a list such as \[\], got \{\}"),
        ({"is_on": 1}, "step_is_on must be true or false, got 1"),
    ],
)
def test_a_value_that_may_not_be_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Example(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"count": 2**70}, {"seed": 2**63 - 1}, {"share": 0}, {"share": 1}, {"decay": 0}, {"note": ""}, {"factor": 1e-300}],
)
def test_the_ends_of_a_range_are_accepted(changes: dict[str, Any]) -> None:
    Example(**changes)


def test_defaults_are_not_shared() -> None:
    assert Example().labels is not Example().labels


def test_every_setting_has_a_meaning_and_a_parameter() -> None:
    names = {parameter_name(field, known, "step_"): known.help for field, known in settings_of(Example)}
    assert len(names) == 11, "derived is none"
    assert all(names.values())
    assert "pool_taints" in names


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Setting(help=""), ""),
        (Setting(help="", at_least=1), "at least 1"),
        (Setting(help="", above=0, at_most=1), "above 0 and at most 1"),
        (Setting(help="", at_least=0.5, at_most=2**20), "between 0.5 and 2^20"),
    ],
)
def test_a_range_is_said_in_words(known: Setting, expected: str) -> None:
    assert known.range == expected
