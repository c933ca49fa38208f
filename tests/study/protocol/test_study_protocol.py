"""Arms are measured in turns, each in its process, the first twice; what they did is held against what they promise."""

import contextlib
import dataclasses
import textwrap
from pathlib import Path

import msgspec
import pytest
from study_arms import FOLDER, SHARDS, WITNESS, formats, witnessed
from study_findings import NO_GPU

from components.errors import DataError, SettingsError
from components.measuring.rounds import round_orders
from components.study.protocol.arm_process import stopped_arm
from components.study.protocol.measure_arms import NotRunHereError, measure_arms
from components.study.protocol.plan import Plan

ROOT = Path(__file__).parents[3]
PLAN = Plan(num_rounds=3, seed=5)


class Running:
    def __init__(self, name, log, witness):
        self._name, self._log, self._witness = name, log, witness

    def witness(self):
        self._log.append(f"witness of {self._name}")
        return self._witness

    def turn(self):
        self._log.append(self._name)
        return float(len(self._log))


def opener(log, witnesses=None, absent=()):
    @contextlib.contextmanager
    def open_arm(arm):
        if arm.name in absent:
            raise NotRunHereError(NO_GPU)
        log.append(f"open {arm.name}")
        try:
            yield Running(arm.name, log, (witnesses or {}).get(arm.name, WITNESS))
        finally:
            log.append(f"close {arm.name}")

    return open_arm


def test_witnesses_come_first_and_then_as_many_rounds_as_were_planned():
    log = []
    table = measure_arms(formats(), PLAN, opener(log))

    sides = ["folder", "shards", "folder again"]
    assert log[:6] == ["open folder", "open shards", "open folder again", *(f"witness of {side}" for side in sides)]
    assert log[6:9] == sides  # which do not count
    assert log[9:18] == [side for order in round_orders(sides, 3, PLAN.seed) for side in order]
    assert log[18:] == ["close folder again", "close shards", "close folder"]
    assert (table.name, table.factor, table.unit, table.num_planned, table.seed) == ("formats", "format", "s", 3, 5)
    assert (table.arms, table.has_again, len(table.rounds)) == (("folder", "shards"), True, 3)
    assert sorted(value for values in table.rounds for value in values) == list(range(10, 19))
    assert table.pairs("shards", "folder") == [(values[1], values[0]) for values in table.rounds]
    assert table.again_pairs() == [(values[2], values[0]) for values in table.rounds]
    assert table.settings["shards"]["source"]["num_files"] == 4
    assert msgspec.json.decode(msgspec.json.encode(table), type=type(table)) == table


def test_arms_that_did_different_things_are_refused_before_a_turn():
    log = []
    with pytest.raises(SettingsError, match="arms 'folder' and 'shards' also differ in order"):
        measure_arms(formats(), PLAN, opener(log, {"shards": witnessed(order="9" * 64)}))
    assert "folder" not in log
    assert log[-1] == "close folder"


def test_an_arm_cannot_take_the_place_of_the_second_process():
    """Its turns would be told as those of an arm against itself, and the arm itself would be missing."""
    with pytest.raises(SettingsError, match="no arm may be called 'folder again', which is the second process of"):
        measure_arms(formats(dataclasses.replace(SHARDS, name="folder again")), PLAN, opener([]))


def test_an_arm_that_does_not_repeat_itself_is_compared_with_nothing():
    losses = (*WITNESS.losses[:4], "0x1p0", *WITNESS.losses[5:])
    with pytest.raises(
        DataError,
        match=r"the arm 'folder' does not do the same twice: losses\[4\] was '0x1.9\S+' and then '0x1p0'; nothing can",
    ):
        measure_arms(formats(), PLAN, opener([], {"folder again": witnessed(losses=losses)}))


@pytest.mark.parametrize(
    ("absent", "ran", "width"),
    [(("shards",), ("folder",), 2), (("folder",), ("shards",), 2), (("folder", "shards"), (), 0)],
)
def test_what_cannot_run_here_is_named_with_its_reason(absent, ran, width):
    table = measure_arms(formats(), PLAN, opener([], absent=absent))

    assert table.arms == ran
    assert table.not_run == dict.fromkeys(absent, NO_GPU)
    assert {len(values) for values in table.rounds} == ({width} if ran else set())


PROGRAM = """
    import os, time
    import msgspec
    from components.contracts.study import Witness
    from components.study.protocol.arm_process import serve_arm
    witness = msgspec.json.decode({witness!r}, type=Witness)
    def turn():
        print("epoch 1/1", end="")
        return {seconds}
    serve_arm(lambda: witness, turn)
"""


def in_process(seconds="0.25"):
    text = textwrap.dedent(PROGRAM).format(witness=msgspec.json.encode(WITNESS), seconds=seconds)
    return lambda arm: stopped_arm(arm, ["-c", text], timeout_seconds=60)


def test_arms_run_in_processes_of_their_own(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    table = measure_arms(formats(), PLAN, in_process("float(os.getpid())"))

    first, *others = table.rounds
    assert all(values == first for values in others)  # the same three processes in each round
    assert len({*first}) == 3
    assert table.witnesses == {"folder": WITNESS, "shards": WITNESS}


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        ("'soon'", "the arm 'folder' must answer a turn with a number above 0, got 'soon'"),
        ("True", "must answer a turn with a number above 0, got True"),
        ("0.0", "must answer a turn with a number above 0, got 0.0"),
        ("-1", "must answer a turn with a number above 0, got -1"),
        ("float('nan')", "must answer a turn with a number above 0, got nan"),
        ("float('inf')", "must answer a turn with a number above 0, got inf"),
        ("os._exit(9)", "the arm 'folder' ended with exit code 9 before it answered 'turn'"),
    ],
)
def test_an_arm_that_gives_no_number_is_named(monkeypatch, seconds, message):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(DataError, match=message):
        measure_arms(formats(), PLAN, in_process(seconds))


@pytest.mark.parametrize(("values", "message"), [({"num_rounds": 0}, "study_num_rounds must be at least 1, got 0")])
def test_a_plan_without_rounds_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        Plan(**values)


@pytest.mark.parametrize(
    ("num_rounds", "alpha", "message"),
    [
        (6, 0.05, ""),
        (
            5,
            0.05,
            "study_num_rounds is 5, and an interval of 95 % needs at least 6: all claims with ",
        ),
        (10, 0.0025, ""),
        (9, 0.0025, "study_num_rounds is 9, and an interval of 99.75 % needs at least 10"),
    ],
)
def test_too_few_rounds_are_told_before_they_are_measured(num_rounds, alpha, message):
    said = Plan(num_rounds=num_rounds).shortfall(alpha)

    assert said.startswith(message)
    assert bool(said) is bool(message)


def test_a_third_arm_has_a_turn_in_each_round_too():
    third = dataclasses.replace(SHARDS, name="third", source=dataclasses.replace(SHARDS.source, num_files=9))
    comparison = dataclasses.replace(formats(), arms=(FOLDER, SHARDS, third))

    table = measure_arms(comparison, PLAN, opener([]))

    assert table.arms == ("folder", "shards", "third")
    assert {len(values) for values in table.rounds} == {4}
