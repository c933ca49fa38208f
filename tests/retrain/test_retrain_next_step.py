import datetime

import pytest
from written_triggers import AT, NOON, attempt, ended, trigger

from components.contracts import AttemptState, RunOutcome
from pipeline.retrain.next_step import NextAction, RetryRule, next_step, pause
from pipeline.retrain.triggers import moment_of, utc_time

RULE = RetryRule(max_attempts=3, pause_minutes=10)


def after(minutes: float) -> datetime.datetime:
    return NOON + datetime.timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("attempts", "minutes", "step", "number"),
    [
        ([], 0, NextAction.CLAIM, 1),
        ([attempt()], 9.9, NextAction.WAIT, 0),
        ([attempt()], 10, NextAction.CLAIM, 1),  # the claim has expired; the same name, so that its run is found
        ([attempt(state=AttemptState.STARTED)], 100_000, NextAction.ASK, 0),  # however old: only its server knows
        (ended("pushed"), 100_000, NextAction.LEAVE, 0),
        (ended("refused"), 100_000, NextAction.LEAVE, 0),
        (ended("unknown"), 100_000, NextAction.LEAVE, 0),  # it ended well, so a model may have been pushed
        (ended("terminated"), 100_000, NextAction.LEAVE, 0),  # a person wanted that
        (ended("not-started"), 0, NextAction.CLAIM, 1),
        (ended("failed"), 9.9, NextAction.WAIT, 0),
        (ended("failed"), 10, NextAction.CLAIM, 2),
        (ended("lost"), 10, NextAction.CLAIM, 2),
        (ended("failed", "failed"), 19.9, NextAction.WAIT, 0),
        (ended("failed", "failed"), 20, NextAction.CLAIM, 3),
        (ended("failed", "lost", "failed"), 100_000, NextAction.GIVE_UP, 0),
        ([*ended("failed"), attempt(2)], 10, NextAction.CLAIM, 2),
        (ended("failed", "pushed"), 100_000, NextAction.LEAVE, 0),
        # Clocks may differ; one that is wrong by days must not keep a change waiting for years.
        ([attempt()], -60, NextAction.WAIT, 0),
        ([attempt()], -100_000, NextAction.CLAIM, 1),
        (ended("failed"), -60, NextAction.WAIT, 0),
        (ended("failed"), -100_000, NextAction.CLAIM, 2),
    ],
)
def test_what_is_written_down_decides_what_may_be_done(attempts, minutes, step, number):
    found = next_step(trigger(*attempts) if attempts else None, after(minutes), RULE)

    assert (found.action, found.number) == (step, number)


def test_whoever_waits_is_told_until_when():
    assert next_step(trigger(attempt()), NOON, RULE).until == after(10)
    assert next_step(trigger(*ended("failed", "failed")), NOON, RULE).until == after(20)


@pytest.mark.parametrize(
    ("num_failed", "minutes"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 1280), (9, 1440), (99, 1440)]
)
def test_the_pause_doubles_up_to_a_day(num_failed, minutes):
    assert pause(num_failed, RULE) == datetime.timedelta(minutes=minutes)


def test_a_name_from_a_document_cannot_steer_the_terminal():
    failed = attempt(1, AttemptState.ENDED, RunOutcome.FAILED, message="oh\x1b[2Jno")

    assert "\\x1b" in next_step(trigger(failed), NOON, RULE).why


def test_times_survive_being_written_down():
    assert moment_of(utc_time(NOON)) == NOON
    assert utc_time(NOON.astimezone(datetime.timezone(datetime.timedelta(hours=5)))) == AT
