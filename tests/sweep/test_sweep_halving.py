"""Which trials go on, and which is the best, computed by hand."""

import statistics

import pytest
from scipy import stats
from sweep_made import result_of, sweep_of

from components.contracts import Sweep
from components.errors import SettingsError
from components.sweep.halving import NoTrialLeft, ask_rung, best, epochs_of_rungs, num_kept, standings, tell_results
from components.sweep.seed_interval import seed_interval


@pytest.mark.parametrize(
    ("epochs", "num_rungs", "reduction", "rungs"),
    [
        (20, 1, 3, (20,)),
        (20, 2, 3, (7, 20)),
        (20, 3, 3, (2, 7, 20)),
        (27, 3, 3, (3, 9, 27)),
        (4, 3, 2, (1, 2, 4)),
        (2, 2, 10, (1, 2)),
    ],
)
def test_each_rung_has_its_share_of_the_epochs(epochs, num_rungs, reduction, rungs):
    assert epochs_of_rungs(epochs, num_rungs, reduction) == rungs


@pytest.mark.parametrize(("epochs", "num_rungs", "reduction", "told"), [(1, 2, 3, "1, 1"), (3, 3, 3, "1, 1, 3")])
def test_too_few_epochs_are_refused(epochs, num_rungs, reduction, told):
    with pytest.raises(SettingsError, match=f"train_epochs must be larger .* got {epochs}, .* rungs of {told} epochs"):
        epochs_of_rungs(epochs, num_rungs, reduction)


@pytest.mark.parametrize(("num_trials", "reduction", "kept"), [(9, 3, 3), (8, 3, 3), (7, 3, 3), (3, 3, 1), (1, 3, 1)])
def test_one_in_so_many_goes_on_and_at_least_one(num_trials, reduction, kept):
    assert num_kept(num_trials, reduction) == kept


def test_two_rungs_by_hand():
    sweep = sweep_of(5)
    assert ask_rung(sweep, 1) == ((1, 1), (2, 1), (3, 1), (4, 1), (5, 1))
    first = [
        result_of(1, 1, 0.2, 0.4),  # 0.3
        result_of(2, 1, 0.5, 0.7),  # 0.6
        result_of(3, 1, 0.6, 0.6),  # 0.6 as well: the lower number goes first
        result_of(4, 1, 0.9, failure="loss is not a number"),
        result_of(5, 1, 0.55, 0.55),
    ]
    sweep = tell_results(sweep, first)
    assert ask_rung(sweep, 2) == ((2, 2), (3, 2))  # of 5 trials, the failed one included, 2 are a third

    sweep = tell_results(sweep, [result_of(2, 2, 0.6, 0.6), result_of(3, 2, 0.7, 0.7)])

    assert [(each.trial.number, each.rung) for each in standings(sweep)] == [(3, 2), (2, 2), (5, 1), (1, 1), (4, 0)]
    assert best(sweep).trial.number == 3
    assert best(sweep).mean == pytest.approx(0.7)
    assert best(sweep).seconds == 40.0
    assert ask_rung(sweep, 3) == ((3, 2),)  # which is trained already


def test_a_trial_of_a_later_rung_is_better_whatever_the_scores():
    sweep = tell_results(sweep_of(2), [result_of(1, 1, 0.3), result_of(2, 1, 0.9), result_of(1, 2, 0.2)])

    assert best(sweep).trial.number == 1


def test_results_told_twice_or_in_another_order_change_nothing():
    results = [result_of(number, 1, number / 10, number / 10) for number in (1, 2, 3)]
    once = tell_results(sweep_of(3), results)

    assert tell_results(tell_results(sweep_of(3), reversed(results)), results) == once
    assert tell_results(once, [result_of(1, 1, 0.9, 0.9)]).results[0] == result_of(1, 1, 0.9, 0.9)


def test_if_all_fail_in_a_later_rung_the_best_of_the_one_before_is_left():
    sweep = tell_results(sweep_of(4), [result_of(number, 1, number / 10, number / 10) for number in range(1, 5)])
    sweep = tell_results(sweep, [result_of(number, 2, failure="no memory") for number in (3, 4)])

    assert (best(sweep).trial.number, best(sweep).rung, best(sweep).failure) == (4, 1, "no memory")
    assert ask_rung(sweep, 3) == ((4, 1),)


@pytest.mark.parametrize(("codes", "code"), [((42, 42), 42), ((75, 75), 75), ((75, 42), 42)])
def test_if_all_fail_the_sweep_fails_and_says_why(codes, code):
    failed = [result_of(number, 1, failure=f"reason {number}", exit_code=each) for number, each in enumerate(codes, 1)]
    sweep = tell_results(sweep_of(2), failed)

    for call in (lambda: ask_rung(sweep, 2), lambda: best(sweep)):
        with pytest.raises(NoTrialLeft, match="all 2 trials of the sweep failed; trial 1: reason 1") as caught:
            call()
        assert caught.value.exit_code == code


def test_a_sweep_is_the_same_when_it_is_read_again(tmp_path):
    sweep = tell_results(sweep_of(2), [result_of(1, 1, 0.25, 0.5), result_of(2, 1, failure="no memory")])
    sweep.write(tmp_path / "sweep.json")

    assert Sweep.read(tmp_path / "sweep.json") == sweep


@pytest.mark.parametrize(
    "scores",
    [[0.5, 0.52], [0.5, 0.52, 0.49], [0.41, 0.42, 0.44, 0.4, 0.43], [0.5 + number / 100 for number in range(10)]],
)
def test_the_interval_is_that_of_student(scores):
    mean, error = statistics.fmean(scores), stats.sem(scores)

    assert seed_interval(scores) == pytest.approx(stats.t.interval(0.95, len(scores) - 1, mean, error), abs=1e-4)


def test_an_interval_stays_within_what_a_score_can_be_and_one_seed_has_none():
    assert seed_interval([0.9, 0.99])[1] == 1.0
    assert seed_interval([0.01, 0.1])[0] == 0.0
    assert seed_interval([0.5]) is None
    assert seed_interval([0.5, 0.5]) == (0.5, 0.5)
