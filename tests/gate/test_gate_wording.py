"""What the gate says of its decisions: the report, and the numbers in the log."""

import json

import pytest
from deciding import FIELDS, alone, answers, decided
from field_counts import evaluation_of, sums_of

from components.contracts import LabelDoubts, NotSure, Reliability, Robustness, RobustnessRow, Slices, SliceScore
from components.contracts.gate import NUMBERS
from components.gate.decision import decide_push
from components.gate.report import write_report
from components.gate.settings import GateSettings
from components.gate.wording import numbers_line


@pytest.mark.parametrize(
    ("rates", "floor", "said"),
    [
        ((0.05, 0.2), 0.3, ["The model is pushed.", "version in production</td>", "question to this test set</td>"]),
        ((0.1, 0.12), 0.3, ["The model is not pushed.", "not better than noise"]),
        ((0.05, 0.2), 0.99, ["The model is not pushed.", "is below the floor 0.990"]),
    ],
)
def test_the_report_says_what_was_decided_and_by_which_numbers(tmp_path, rates, floor, said):
    judged = evaluation_of(tmp_path / "data", sums_of(FIELDS, *answers(rates)))
    settings = GateSettings(min_macro_f1=floor)
    decision = decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, judged)
    write_report(decision, judged, str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    for text in (*said, f"{decision.candidate_macro_f1:.3f}", f"{floor:.3f}"):
        assert text in page
    for difference in filter(None, (decision.difference, *decision.class_differences.values())):
        assert f"{difference[1]:+.3f} to {difference[2]:+.3f}" in page


def test_the_numbers_are_in_the_log_as_json(tmp_path):
    decision = decided(tmp_path, *answers((0.05, 0.2)))
    line = numbers_line(decision)
    numbers = json.loads(line.removeprefix(NUMBERS))
    assert numbers["outcome"] == "push"
    assert tuple(numbers["difference"]) == decision.difference
    assert len(line.splitlines()) == 1
    assert {numbers[name] for name in ("ece_before", "ece", "miss_rate", "share_not_sure")} == {None}


def test_the_numbers_say_how_far_the_answers_can_be_trusted(tmp_path):
    reliability = Reliability(ece_before=0.3, ece=0.01, brier_before=0.2, brier=0.1, per_class={})
    not_sure = NotSure(max_miss_rate=0.1, low=(0.1,) * 3, num_val_fields=(20,) * 3, miss_rate=0.08, share=0.25)
    decision = alone(tmp_path, 0.8, reliability=reliability, not_sure=not_sure)
    numbers = json.loads(numbers_line(decision).removeprefix(NUMBERS))
    found = [numbers[name] for name in ("ece_before", "ece", "miss_rate", "share_not_sure")]
    assert found == [0.3, 0.01, 0.08, 0.25]


def test_the_numbers_say_where_the_model_is_weak(tmp_path):
    scores = tuple(
        SliceScore(dimension="NDVI", name=name, num_tiles=9, num_fields=5, difference=difference)
        for name, difference in (("below 0.2", (-0.1, -0.15, -0.05)), ("0.2 and above", (0.1, 0.05, 0.15)))
    )
    row = RobustnessRow(
        change="darkened", macro_f1=0.7, difference=(-0.1, -0.2, 0.0), changed_decisions=0.1, changed_tiles=0.3
    )
    decision = alone(
        tmp_path,
        0.8,
        slices=Slices(scores=scores, num_compared=2, worst=0, is_worse=True),
        robustness=Robustness(num_tiles=9, num_fields=3, macro_f1=0.8, control=0.0, rows=(row,)),
        doubts=LabelDoubts(num_doubts=7, num_listed=7, num_tiles=90, of_class={}),
    )
    numbers = json.loads(numbers_line(decision).removeprefix(NUMBERS))
    assert numbers["worst_slice"] == "NDVI below 0.2"
    assert numbers["worst_slice_difference"] == [-0.1, -0.15, -0.05]
    assert numbers["robustness"] == {"darkened": -0.1}
    assert numbers["num_label_doubts"] == 7
