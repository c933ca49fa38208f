"""Every order of events that a thousand seeds come upon leaves one run per change; see retrain_world."""

import pytest
from retrain_world import ROOT, Call, Faults, World, retrain_call

from components.errors import AgrivisionError
from pipeline.retrain import triggers
from pipeline.retrain.change import Stand, Standing
from pipeline.retrain.next_step import RetryRule

RULE = RetryRule(max_attempts=50)
NONE = Faults()
ENDED = (Standing.ANSWERED,)


def settle(world: World) -> Stand:
    """Calls again, as a schedule does every quarter of an hour, until the change has its answer."""
    for _ in range(400):
        call = retrain_call(world, world.now + 900, NONE, RULE)
        world.run([call])
        assert not isinstance(call.result, AgrivisionError), call.result
        assert len(world.live_or_done()) <= 1 or call.result.standing is Standing.WAITS
        if call.result.standing in ENDED:
            return call.result
    raise AssertionError("the change was lost")


def play(world: World, monkeypatch: pytest.MonkeyPatch, faults: Faults, with_collect: bool = False) -> list[object]:
    monkeypatch.setattr(triggers, "storage", world)
    num_calls = world.random.randint(2, 8)
    calls = [retrain_call(world, world.random.uniform(0, 5), faults, RULE) for _ in range(num_calls)]
    # Some come while the first are still at work, or soon after.
    calls += [
        retrain_call(world, world.random.uniform(5, 900), faults, RULE) for _ in range(world.random.randint(0, 4))
    ]
    collects = [Call(world, world.random.uniform(0, 9000), faults, collect) for _ in range(3 if with_collect else 0)]
    world.run([*calls, *collects])
    return [call.result for call in calls]


def collect(call: Call) -> None:
    """Writes down how the runs have ended so far, as whoever writes their records does."""
    for run in [*call.world.runs]:
        if (state := run.state(call.world.now)) != "RUNNING":
            key, _ = triggers.attempt_of(run.name)
            outcome = {"SUCCEEDED": "refused", "FAILED": "failed"}[state]
            outcome = "terminated" if run.terminated is not None else outcome
            triggers.end_trigger(ROOT, key, run.run_id, outcome, "2026-11-29T13:00:00Z")


@pytest.mark.slow
@pytest.mark.parametrize("block", range(8))
def test_one_run_per_change_whatever_dies_or_is_not_answered(block, monkeypatch):
    num_deaths = num_lost = num_started = 0
    for seed in range(125 * block, 125 * block + 125):
        world = World(seed)
        faults = Faults(death=0.04, lost=0.15, refused=0.1, latest=400)
        play(world, monkeypatch, faults, with_collect=True)
        assert world.most_live <= 1, seed

        stand = settle(world)

        (kept,) = world.live_or_done()
        assert (stand.run_id, kept.state(world.now)) == (kept.run_id, "SUCCEEDED"), seed
        assert (world.most_live <= 1, world.most_done) == (True, 1), seed
        num_deaths, num_lost = num_deaths + world.num_deaths, num_lost + world.num_lost
        num_started += len(world.runs)
    assert num_deaths > 50
    assert num_lost > 50
    assert num_started >= 125


@pytest.mark.slow
def test_a_call_that_was_stopped_before_its_request_ends_the_run_that_is_one_too_many(monkeypatch):
    num_double = 0
    for seed in range(300):
        world = World(seed, failing=0.0)
        play(world, monkeypatch, Faults(death=0.03, lost=0.1, pause=0.2, longest_pause=1500, latest=400))

        stand = settle(world)

        (kept,) = world.live_or_done()
        assert stand.run_id == kept.run_id, seed
        assert world.most_done == 1, seed
        num_double += world.most_live > 1
    assert num_double > 0  # or the test shows nothing


def test_without_faults_one_call_of_many_starts_the_run_and_the_others_name_it(monkeypatch):
    for seed in range(100):
        world = World(seed)
        results = play(world, monkeypatch, NONE)

        assert len(world.runs) == 1, seed
        assert sum(stand.standing is Standing.STARTED for stand in results) == 1, seed
        assert {stand.standing for stand in results} <= {Standing.STARTED, Standing.RUNNING, Standing.WAITS}, seed
        trigger = triggers.Trigger.from_json(world.documents[triggers.trigger_uri(ROOT, "c" * 64)][0], "it")
        assert [attempt.run_id for attempt in trigger.attempts] == ["run-1"]
