"""What the method promises, on planted pairs; `python -m bench study_method` measures the same at length."""

from pathlib import Path

import numpy as np
import pytest

from bench.study_method import BOUND, NUM_PAIRS, SLOWDOWN, by_turns, in_blocks, row_of, tally
from bench.turn_noise import BusyMachine
from components.contracts.study import CONFIRMED, REFUTED, UNDECIDED
from components.study.claims.claims_file import FAMILY_ALPHA, read_claims

PAGE_ALPHA = read_claims().alpha


def again_ratios(is_interleaved):
    """Ratios of an arm against itself, by turns or in blocks of 30."""
    ratios = []
    for seed in range(400):
        machine = BusyMachine(seed)
        times = np.array([machine.turn(1.0) for _ in range(60)])
        ratios += list(times[::2] / times[1::2] if is_interleaved else times[:30] / times[30:])
    return np.quantile(ratios, [0.05, 0.95])


@pytest.mark.parametrize(
    ("is_interleaved", "measured"), [(True, (0.78, 1.22)), (False, (0.69, 1.64))], ids=["by turns", "in blocks"]
)
def test_the_noise_is_as_large_as_was_measured(is_interleaved, measured):
    low, high = again_ratios(is_interleaved)

    # Ratios of equals are as often above as below on a logarithmic scale; those measured were nearly so.
    assert np.log(high / low) == pytest.approx(np.log(measured[1] / measured[0]), rel=0.1)
    assert low * high == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("alpha", [PAGE_ALPHA, FAMILY_ALPHA], ids=["of the page", "alone"])
@pytest.mark.parametrize("num_rounds", [10, 31])
def test_of_200_equal_pairs_at_most_five_per_cent_get_a_false_verdict(alpha, num_rounds):
    assert tally(1.0, num_rounds, alpha).either <= 0.05 * NUM_PAIRS


@pytest.mark.parametrize("alpha", [PAGE_ALPHA, FAMILY_ALPHA], ids=["of the page", "alone"])
@pytest.mark.parametrize("num_rounds", [10, 31])
def test_of_200_slowdowns_95_per_cent_are_found_or_undecided(alpha, num_rounds):
    found = tally(SLOWDOWN, num_rounds, alpha)

    assert found.first[CONFIRMED] + found.first[UNDECIDED] >= 0.95 * NUM_PAIRS
    assert found.first[REFUTED] + found.second[CONFIRMED] == 0  # never the wrong way
    assert found.first[CONFIRMED] > 0


def test_121_rounds_find_nearly_all_slowdowns():
    assert tally(SLOWDOWN, 121, PAGE_ALPHA).first[CONFIRMED] >= 0.95 * NUM_PAIRS


def test_a_slowdown_that_falls_just_short_is_rarely_confirmed():
    """The hardest case, in which 2.5 % are allowed; of 200, more than 5 % would come up once in thirty tries."""
    assert tally(BOUND - 1e-6, 31, FAMILY_ALPHA).either <= 0.05 * NUM_PAIRS


def test_the_table_of_the_docs_is_the_one_that_comes_out():
    row = " | ".join(row_of("10", PAGE_ALPHA, 10, by_turns, NUM_PAIRS))

    assert f"| {row} |" in (Path(__file__).parents[2] / "docs/study.md").read_text()


def test_the_protocol_is_what_keeps_the_promise():
    """In blocks, the same rule on the same machine is wrong more often than it says."""
    assert tally(1.0, 31, FAMILY_ALPHA, in_blocks).either > 0.05 * NUM_PAIRS
