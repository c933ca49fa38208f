"""What one call does where another has died, is slow, or the server says no; orders of events are in the schedules."""

from types import SimpleNamespace

import pytest
from retrain_server import Clock, Server
from retrain_world import change

from components import storage
from components.contracts import AttemptState, RunOutcome
from components.errors import SettingsError, UnreachableError
from pipeline.retrain.change import Standing
from pipeline.retrain.next_step import RetryRule
from pipeline.retrain.runs import RunEnding, RunState
from pipeline.retrain.starting import CLAIM_SECONDS, LOST_SECONDS, SEND_SECONDS, OneRun
from pipeline.retrain.triggers import read_trigger, trigger_uri

KEY = "c" * 64
RULE = RetryRule(max_attempts=2, pause_minutes=10)


@pytest.fixture
def world(tmp_path):
    clock = Clock()
    server = Server(clock)

    def call():
        return OneRun(str(tmp_path), change(KEY), server, RULE, clock).ensure()

    return SimpleNamespace(
        clock=clock, server=server, call=call, root=str(tmp_path), last=lambda: read_trigger(str(tmp_path), KEY)[0].last
    )


NAME = f"agrivision-training retrain-{KEY}-1"


def raises(error):
    def event():
        raise error

    return event


def test_the_first_call_starts_a_run_and_the_next_names_it(world):
    first, second = world.call(), world.call()

    assert (first.standing, second.standing) == (Standing.STARTED, Standing.RUNNING)
    assert first.run_id == second.run_id == "run-1"
    assert [run.name for run in world.server.runs.values()] == [NAME]
    assert world.last().reasons == ("3 new tiles",)


def test_the_name_is_looked_for_before_anything_is_started(world):
    world.server.add(NAME)

    stand = world.call()

    assert (stand.standing, stand.run_id) == (Standing.RUNNING, "run-1")
    assert "create" not in world.server.requests


def test_a_run_whose_start_was_not_answered_is_found_by_its_name(world):
    def start_in_silence():
        world.server.add(NAME)
        raise UnreachableError("no answer")

    world.server.events["create"] = start_in_silence

    assert (world.call().standing, world.last().run_id) == (Standing.STARTED, "run-1")


def test_a_start_that_is_not_answered_is_not_repeated_until_the_claim_has_expired(world):
    world.server.events["create"] = raises(UnreachableError("no answer"))
    with pytest.raises(
        UnreachableError, match=r"not known whether the run .* was started; call again after 2026-11-29T"
    ):
        world.call()

    assert world.call().standing is Standing.WAITS
    world.server.add(NAME)  # it comes late
    world.clock.sleep(CLAIM_SECONDS)

    assert (world.call().standing, len(world.server.runs)) == (Standing.RUNNING, 1)


def test_a_refused_start_gives_the_claim_back_and_does_not_count(world):
    for _ in range(3):
        world.server.events["create"] = raises(SettingsError("400 no such experiment"))
        with pytest.raises(SettingsError, match="no such experiment"):
            world.call()
        assert (world.last().outcome, world.last().message) == (RunOutcome.NOT_STARTED, "400 no such experiment")

    assert (world.call().standing, world.last().number) == (Standing.STARTED, 1)


def test_a_server_that_is_away_before_the_claim_leaves_nothing_behind(world):
    world.server.events["prepare"] = raises(UnreachableError("no answer"))

    with pytest.raises(UnreachableError, match="no answer"):
        world.call()

    assert not storage.exists(trigger_uri(world.root, KEY))


def test_a_call_that_was_held_up_after_its_claim_starts_nothing(world):
    world.server.events["find"] = lambda: world.clock.sleep(SEND_SECONDS + 1)

    with pytest.raises(UnreachableError, match="took more than 120 s to claim a run, so none is started"):
        world.call()

    assert world.server.runs == {}


def test_of_two_runs_the_one_that_is_written_down_goes_on_and_the_other_is_ended_at_once(world):
    def another_call_takes_over():
        world.clock.sleep(CLAIM_SECONDS + 1)
        assert world.call().run_id == "run-1"

    world.server.events["create"] = another_call_takes_over

    stand = world.call()

    assert (stand.standing, stand.run_id) == (Standing.RUNNING, "run-1")
    assert world.server.ended == ["run-2"]


def test_a_run_that_nobody_wrote_down_is_ended_by_whoever_sees_it(world):
    world.call()
    world.server.add(NAME)

    world.call()

    assert (world.server.ended, world.last().run_id) == (["run-2"], "run-1")


def test_a_failed_run_is_tried_again_after_a_pause_and_not_too_often(world):
    world.call()
    world.server.runs["run-1"].state = RunState.FAILED
    assert world.call().standing is Standing.WAITS
    world.clock.sleep(600)
    assert (world.call().standing, world.last().number) == (Standing.STARTED, 2)
    world.server.runs["run-2"].state = RunState.FAILED

    stand = world.call()

    assert stand.standing is Standing.GIVEN_UP
    assert "2 runs of this change failed, and --max-attempts=2" in stand.why


def test_a_failed_run_that_a_person_has_told_the_server_to_retry_is_not_joined_by_another(world):
    world.call()
    world.server.runs["run-1"].state = RunState.FAILED
    world.call()
    world.server.runs["run-1"].state = RunState.LIVE
    world.clock.sleep(600)

    stand = world.call()

    assert (stand.standing, stand.run_id, len(world.server.runs)) == (Standing.RUNNING, "run-1", 1)


@pytest.mark.parametrize("outcome", ["pushed", "refused"])
def test_a_change_that_was_answered_never_runs_again(outcome, world):
    world.call()
    world.server.runs["run-1"].state = RunState.SUCCEEDED
    world.server.ending = lambda _: RunEnding(RunOutcome(outcome), "")
    world.call()
    num_requests = len(world.server.requests)
    world.clock.sleep(1e7)

    assert world.call().standing is Standing.ANSWERED
    assert len(world.server.requests) == num_requests  # nobody needs to be asked


def test_a_run_that_its_server_has_forgotten_is_lost_but_not_at_once(world):
    world.call()
    world.server.runs.clear()

    assert world.call().standing is Standing.RUNNING
    world.clock.sleep(LOST_SECONDS)

    assert world.call().standing is Standing.WAITS
    assert world.last().outcome is RunOutcome.LOST


def test_two_changes_do_not_share_a_run(world, tmp_path):
    world.call()
    other = OneRun(str(tmp_path), change("d" * 64), world.server, RULE, world.clock).ensure()

    assert (other.standing, other.run_id) == (Standing.STARTED, "run-2")
    assert world.last().state is AttemptState.STARTED
