"""A verdict follows from the interval and the bound, beside A/A; what cannot be judged is undecided, or an error."""

import re

import pytest
from study_findings import NO_GPU
from study_tables import CLAIMS, QUIET, SEEDS, TIMED, claim_of, finding_of, table_of, timed_table

from components.errors import DataError
from components.study.verdicts.judging import judge_claim

TEN = [1.2, 1.21, 1.22, 1.23, 1.24, 1.25, 1.26, 1.27, 1.28, 1.29]


def verdict_of(claim, rounds, alpha=0.0025, **values):
    return judge_claim(claim, alpha, finding_of(claim, **values), {"t": rounds})


# Of ten rounds, the interval at 99.75 % is from the smallest to the largest.
@pytest.mark.parametrize(
    ("rule", "bound", "ratios", "expected"),
    [
        ("time_ratio_at_least", 1.05, TEN, "confirmed"),
        ("time_ratio_at_least", 1.2, TEN, "confirmed"),  # the bound is enough
        ("time_ratio_at_least", 1.21, TEN, "undecided"),
        ("time_ratio_at_least", 1.29, TEN, "undecided"),
        ("time_ratio_at_least", 1.3, TEN, "refuted"),
        ("time_ratio_at_least", 1.05, [1 / ratio for ratio in TEN], "refuted"),  # an effect, the other way
        ("time_ratio_at_least", 1.05, list(QUIET[:10]), "refuted"),  # less than matters
        ("time_ratio_at_most", 1.05, list(QUIET[:10]), "confirmed"),
        ("time_ratio_at_most", 1.05, TEN, "refuted"),
        ("time_ratio_at_most", 1.29, TEN, "confirmed"),
        ("time_ratio_at_most", 1.2, TEN, "undecided"),
        ("time_ratio_at_most", 0.9, [1 / ratio for ratio in TEN], "confirmed"),
    ],
)
def test_the_whole_interval_must_reach_the_bound(rule, bound, ratios, expected):
    verdict = verdict_of(claim_of(rule, bound), timed_table(ratios))

    assert verdict.verdict == expected
    assert verdict.interval == (min(ratios), max(ratios))
    assert verdict.num_pairs == 10
    assert (verdict.again_interval, verdict.again) == ((0.99, 1.01), pytest.approx(1.0))


def test_a_reason_says_it_in_both_languages():
    reason = verdict_of(TIMED, timed_table(TEN)).reason

    assert reason.english == "the interval 1.200 to 1.290 lies above the bound 1.05"
    assert reason.spanish == "el intervalo de 1,200 a 1,290 queda por encima del umbral 1,05"


NOISY = [0.75, 0.8, 0.9, 0.97, 1.0, 1.02, 1.1, 1.2, 1.28, 1.35]

FASTER = [0.75, 0.76, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1.0, 1.02]


@pytest.mark.parametrize(
    ("rule", "ratios", "again", "expected", "reason"),
    [
        # A/A shows ratios like it.
        ("time_ratio_at_least", TEN, NOISY, "undecided", "an arm differs from itself as much: A/A is 0.750 to 1.350"),
        ("time_ratio_at_most", TEN, NOISY, "undecided", "an arm differs from itself as much"),
        # A/A shows them the other way: with the second process of the first arm, nothing is left of the effect.
        ("time_ratio_at_least", TEN, FASTER, "undecided", "an arm differs from itself as much: A/A is 0.750 to 1.020"),
        ("time_ratio_at_most", TEN, FASTER, "undecided", "an arm differs from itself as much"),
        ("time_ratio_at_least", [1.5] * 10, FASTER, "confirmed", "lies above the bound"),
        # That there is no effect needs no quiet A/A.
        ("time_ratio_at_least", list(QUIET[:10]), NOISY, "refuted", "lies below the bound"),
        ("time_ratio_at_most", list(QUIET[:10]), NOISY, "confirmed", "lies below the bound"),
        # A/A differs from 1: something other than the arms is measured.
        ("time_ratio_at_least", [2.0] * 10, TEN, "undecided", "an arm differs from itself: A/A is 1.200 to 1.290"),
        ("time_ratio_at_most", list(QUIET[:10]), TEN, "undecided", "an arm differs from itself: A/A is 1.200"),
        # Beyond all that A/A shows.
        ("time_ratio_at_least", [2.0] * 10, NOISY, "confirmed", "lies above the bound"),
    ],
)
def test_a_ratio_that_an_arm_has_with_itself_is_no_effect(rule, ratios, again, expected, reason):
    verdict = verdict_of(claim_of(rule, 1.05), timed_table(ratios, again))

    assert verdict.verdict == expected
    assert reason in verdict.reason.english


@pytest.mark.parametrize(
    ("alpha", "count", "reason"),
    [
        (0.05, 5, "an interval of 95 % needs at least 6 rounds, got 5"),
        (0.0025, 9, "an interval of 99.75 % needs at least 10 rounds, got 9"),
        (0.05, 1, "needs at least 6 rounds, got 1"),
        (0.05, 0, "no round was measured"),
    ],
)
def test_too_few_rounds_are_undecided_whatever_they_show(alpha, count, reason):
    verdict = verdict_of(TIMED, timed_table([2.0] * count), alpha)

    assert (verdict.verdict, verdict.interval) == ("undecided", None)
    assert reason in verdict.reason.english


@pytest.mark.parametrize(("planned", "expected"), [(11, "undecided"), (9, "undecided"), (10, "confirmed")])
def test_rounds_that_were_not_planned_decide_nothing(planned, expected):
    table = table_of([(ratio, 1.0) for ratio in TEN], list(QUIET[:10]), num_planned=planned)

    assert verdict_of(TIMED, table).verdict == expected


@pytest.mark.parametrize(
    ("rule", "bound", "differences", "expected"),
    [
        ("difference_at_least", 0.01, [0.02, 0.03] * 5, "confirmed"),
        ("difference_at_least", 0.01, [0.02, 0.005] * 5, "undecided"),
        ("difference_at_least", 0.01, [-0.02, 0.005] * 5, "refuted"),
        ("difference_at_most", 0.01, [-0.02, 0.005] * 5, "confirmed"),
        ("difference_at_most", 0.01, [0.02, 0.03] * 5, "refuted"),
        ("ratio_at_least", 1.1, [0.3, 0.4] * 5, "confirmed"),  # (1 + d) / 1
        ("ratio_at_least", 1.1, [0.05, 0.06] * 5, "refuted"),
        ("difference_at_least", 0.01, [0.02] * 3, "undecided"),  # three seeds tell nothing
    ],
)
def test_seeds_are_paired_and_need_no_second_turn(rule, bound, differences, expected):
    table = table_of([(1 + difference, 1.0) for difference in differences])

    verdict = verdict_of(claim_of(rule, bound, SEEDS.id), table)

    assert verdict.verdict == expected
    assert (verdict.again, verdict.again_interval) == (None, None)


@pytest.mark.parametrize(
    ("name", "values", "expected", "estimate", "reason"),
    [
        ("convolutions_hold_computing", {"vgg16": 0.99, "alexnet": 0.92}, "confirmed", 0.92, "at least 0.9 for all 2"),
        ("convolutions_hold_computing", {"vgg16": 0.9}, "confirmed", 0.9, "for all 1"),
        (
            "dense_layers_hold_weights",
            {"vgg16": 0.89, "resnet50": 0.08, "small": 0.1},
            "refuted",
            0.08,
            "not at least 0.85 for 2 of 3: resnet50, small",
        ),
        ("generator_holds_one_batch", {"generator": 0.03}, "confirmed", 0.03, "at most 0.1 for all 1"),
        ("generator_holds_one_batch", {"generator": 0.3}, "refuted", 0.3, "not at most 0.1 for 1 of 1: generator"),
    ],
)
def test_what_is_computed_is_held_against_the_bound_itself(name, values, expected, estimate, reason):
    claim = CLAIMS.by_id[name]
    verdict = judge_claim(claim, 0.05, finding_of(claim, values=values), {})

    assert (verdict.verdict, verdict.estimate, verdict.interval) == (expected, estimate, None)
    assert reason in verdict.reason.english


MEMORY = CLAIMS.by_id["larger_than_memory"]


@pytest.mark.parametrize(
    ("failed", "expected", "reason"),
    [
        ((), "confirmed", "all 4 things claimed happened, and all 3 controls"),
        (("generator_trains_at_10_times",), "refuted", "did not happen: generator_trains_at_10_times"),
        (("load_all_fails_at_5_times",), "undecided", "prove nothing, .* load_all_fails_at_5_times"),
        (("reader_trains_at_5_times", "load_all_trains_without_limit"), "undecided", "load_all_trains_without_limit"),
    ],
)
def test_what_happens_without_the_limit_too_proves_nothing(failed, expected, reason):
    checks = {name: name not in failed for name in (*MEMORY.claimed, *MEMORY.control)}
    verdict = judge_claim(MEMORY, 0.05, finding_of(MEMORY, checks=checks), {})

    assert verdict.verdict == expected
    assert re.search(reason, verdict.reason.english)


@pytest.mark.parametrize("name", [TIMED.id, MEMORY.id, "convolutions_hold_computing", SEEDS.id])
def test_what_cannot_run_here_says_so_and_has_no_number(name):
    claim = CLAIMS.by_id[name]
    verdict = judge_claim(claim, 0.05, finding_of(claim, not_run=NO_GPU), {})

    assert verdict.verdict == "not run here"
    assert verdict.reason.english == "not run here: this machine has no GPU"
    assert (verdict.estimate, verdict.interval, verdict.num_pairs) == (None, None, 0)


def test_an_arm_that_did_not_run_leaves_its_claims_not_run():
    table = table_of([(1.0, 1.0)] * 10, list(QUIET[:10]), not_run={"gpu": NO_GPU})

    verdict = verdict_of(TIMED, table, arms=("gpu", "a"))

    assert (verdict.verdict, verdict.reason.english) == ("not run here", "not run here: this machine has no GPU")


@pytest.mark.parametrize(
    ("claim", "table", "values", "message"),
    [
        (TIMED, table_of([(1.0, 1.0)] * 10), {}, r"table t needs a second turn of its first arm \(A/A\)"),
        (
            TIMED,
            timed_table(TEN),
            {"table": "u"},
            r"claim tfrecord_faster_cpu needs two arms of a table, got .* of 'u'",
        ),
        (TIMED, timed_table(TEN), {"arms": ("a", "c")}, "needs the arm 'c' of table t, got a, b"),
        (TIMED, timed_table(TEN), {"arms": None}, "needs two arms of a table, got None"),
        (TIMED, timed_table([0.0, *TEN]), {}, r"needs numbers above 0 for the ratio .*, got \(0.0, 1.0\)"),
        (MEMORY, timed_table(TEN), {"checks": {}}, "needs the check reader_trains_at_5_times, got none"),
        (CLAIMS.by_id["infrastructure_costly"], timed_table(TEN), {}, "needs at least one value, got none"),
    ],
)
def test_a_finding_that_its_rule_cannot_judge_is_an_error(claim, table, values, message):
    with pytest.raises(DataError, match=message):
        verdict_of(claim, table, **values)
