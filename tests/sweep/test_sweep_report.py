"""The report of a sweep says what its best score is worth, and fits the frame of Kubeflow's page."""

import io

import msgspec
import pytest
from page_widths import measured, needs_chromium
from rich.console import Console
from sweep_made import result_of, sweep_of

from components.contracts import Trial
from components.sweep.halving import standings, tell_results
from components.sweep.in_short import write_sweep_in_short
from components.sweep.report import write_sweep_report
from components.sweep.wording import caution, score_text, sweep_verdict, values_text
from pipeline.local.sweep_summary import print_sweep, summarize_sweep


def done(**changes):
    sweep = sweep_of(4, **changes)
    first = [
        result_of(1, 1, 0.2, 0.3),
        result_of(2, 1, 0.5, 0.51),
        result_of(3, 1, 0.4, failure="the loss of step 3 is not a number <b>"),
        result_of(4, 1, 0.45, 0.46),
    ]
    return tell_results(sweep, [*first, result_of(2, 2, 0.60, 0.61), result_of(4, 2, 0.604, 0.62)])


VARIED = (
    Trial(number=1, values={"backbone": "small", "weights": "", "nesterov": True}),
    Trial(number=2, values={"backbone": "mobilenet_v2", "weights": "gs://b/$x_1$ <i>.h5", "nesterov": False}),
    Trial(number=3, values={"backbone": "efficientnet_v2_b0", "weights": "", "nesterov": True}),
    Trial(number=4, values={"backbone": "small", "weights": "gs://b/$x_1$ <i>.h5", "nesterov": False}),
)
LISTS = {
    "backbone": ["small", "mobilenet_v2", "efficientnet_v2_b0"],
    "weights": ["", "gs://b/$x_1$ <i>.h5"],
    "nesterov": [True, False],
}


def page(tmp_path, sweep):
    write_sweep_report(sweep, str(tmp_path / "sweep.html"))
    return (tmp_path / "sweep.html").read_text()


def test_the_report_warns_of_the_winners_luck_and_tells_of_every_trial(tmp_path):
    text = page(tmp_path, done())

    assert "The trials were compared on val alone." in text
    assert "partly the luckiest one" in text
    for number in range(1, 5):
        assert f"<td>{number}<small>learning_rate" in text.replace("<wbr>", "")
    assert "Trial 3: the loss of step 3 is not a number &lt;b&gt;" in text
    assert text.count("<figure>") == 1
    assert page(tmp_path, done()) == text


def test_a_report_shows_values_as_text(tmp_path):
    text = page(tmp_path, done(trials=VARIED, search=LISTS))

    assert text.count("<figure>") == 3
    assert "<i>.h5" not in text


def test_with_one_trial_left_there_is_a_page_too(tmp_path):
    sweep = tell_results(sweep_of(2), [result_of(1, 1, 0.5, 0.6), result_of(2, 1, failure="no memory")])

    assert "Too few trials finished to compare their values." in page(tmp_path, sweep)


@needs_chromium
def test_the_report_fits_the_frame_of_kubeflow_and_a_phone(tmp_path):
    pages = {"rates": page(tmp_path, done()), "lists": page(tmp_path, done(trials=VARIED, search=LISTS))}

    for (name, width), found in measured(pages, (360, 400, 480), tmp_path).items():
        assert found["wide"] == [], (name, width)


def test_in_short_is_a_table_of_ten_rows_at_most(tmp_path):
    sweep = tell_results(sweep_of(12), [result_of(number, 1, number / 20, number / 20) for number in range(1, 13)])
    write_sweep_in_short(sweep, str(tmp_path / "short.md"))

    text = (tmp_path / "short.md").read_text()
    assert text.count("\n| ") == 12  # with the header and its rule
    assert "The best 10 of 12 trials; the report has all." in text
    assert "\n| 12 | `learning_rate=0.012` | 0.600 \\[0.600, 0.600\\] | 2 |\n" in text


def verdict_of(*results, **changes):
    sweep = tell_results(sweep_of(3, **changes), results)
    return sweep_verdict(sweep, standings(sweep))


@pytest.mark.parametrize(
    ("results", "end"),
    [
        (
            [result_of(1, 1, 0.50, 0.51), result_of(2, 1, 0.49, 0.50)],
            "overlaps with that of trial 2: other seeds could",
        ),
        ([result_of(n, 1, 0.50, 0.51) for n in (1, 2, 3)], "overlaps with that of trials 2, 3: other seeds could"),
        ([result_of(1, 1, 0.7, 0.7), result_of(2, 1, 0.5, 0.5)], "after 2 epochs: learning_rate=0.001."),
        ([result_of(1, 1, 0.7, 0.7)], "No other trial was trained for as long"),
        ([result_of(1, 1, 0.7), result_of(2, 1, 0.6)], "One seed does not tell a difference from luck"),
    ],
)
def test_the_verdict_says_whether_the_lead_is_more_than_luck(results, end):
    assert end in verdict_of(*results)


def test_scores_and_values_in_words():
    assert score_text([0.5]) == "val macro F1 0.500 with 1 seed"
    assert score_text([0.5, 0.5]) == "val macro F1 0.500 [0.500, 0.500] over 2 seeds"
    assert values_text({"a": True, "b": 1e-05, "c": 3, "d": "x"}) == "a=true, b=1e-05, c=3, d=x"
    assert "no trial has seen" in caution(done())


def test_the_table_of_trials_fits_a_terminal_of_80_columns(tmp_path):
    done(trials=VARIED, search=LISTS).write(tmp_path / "sweep")
    screen = io.StringIO()
    print_sweep(Console(file=screen, width=80), summarize_sweep(tmp_path / "sweep"))

    text = screen.getvalue()
    table = text.split("└")[0]
    assert "Trials, the best first, compared on val by the mean of 2 seeds" in table
    for shown in ("backbone=efficientnet_v2_", "nesterov=false", "[0.510, 0.714]", "failed"):
        assert shown in table
    assert "trial 3 failed: the loss of step 3 is not a number <b>" in text


def test_the_summary_for_scripts_has_every_trial(tmp_path):
    done().write(tmp_path / "sweep")
    found = msgspec.to_builtins(summarize_sweep(tmp_path / "sweep"))

    assert [each["trial"] for each in found["trials"]] == [4, 2, 1, 3]
    assert found["trials"][0] == {
        "trial": 4,
        "values": {"learning_rate": 0.004},
        "rung": 2,
        "epochs": 6,
        "val_macro_f1": pytest.approx(0.612),
        "interval": pytest.approx((0.5104, 0.7136), abs=1e-4),
        "scores": (0.604, 0.62),
        "training_ids": ("t4r2s0", "t4r2s1"),
        "seconds": 40.0,
        "failure": "",
    }
    assert (found["trials"][3]["rung"], found["trials"][3]["val_macro_f1"]) == (0, None)
