"""The gate: what is pushed, what is refused, and why."""

import json
import time

import msgspec
import numpy as np
import pytest
from field_counts import evaluation_of, sums_of

from components import storage
from components.contracts import (
    DenseScores,
    LabelDoubts,
    Ledger,
    NotSure,
    Reliability,
    Robustness,
    RobustnessRow,
    Slices,
    SliceScore,
)
from components.contracts.gate import NUMBERS
from components.errors import DataError, SettingsError
from components.gate.comparison import compare_models
from components.gate.decision import decide_push
from components.gate.in_short import write_in_short
from components.gate.ledger import ledger_uri
from components.gate.report import write_report
from components.gate.settings import GateSettings
from components.gate.wording import numbers_line

NUM_FIELDS, TILES_PER_FIELD = 50, 8
FIELDS = np.repeat([f"field{i:03}" for i in range(NUM_FIELDS)], TILES_PER_FIELD)
SETTINGS = GateSettings(min_macro_f1=0.3)


def answers(error_rates, seed=0, num_classes=3):
    """Labels of classes, and predictions of models that flip each of them at these rates."""
    rng = np.random.default_rng(seed)
    labels = rng.random((len(FIELDS), num_classes)) < 0.3
    return labels, *(labels ^ (rng.random(labels.shape) < rate) for rate in error_rates)


def decided(tmp_path, *arrays, settings=SETTINGS, fields=FIELDS, **changes):
    evaluation = evaluation_of(tmp_path / "data", sums_of(fields, *arrays), **changes)
    return decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, evaluation)


def alone(tmp_path, macro_f1, settings=SETTINGS, **changes):
    """Decides on a model with nothing to compare it with."""
    evaluation = evaluation_of(tmp_path / "data", sums_of(FIELDS, *answers((0.1,))))
    scores = msgspec.structs.replace(evaluation.candidate, macro_f1=macro_f1)
    evaluation = msgspec.structs.replace(evaluation, candidate=scores, **changes)
    return decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, evaluation)


@pytest.mark.parametrize(
    ("macro_f1", "floor", "reason"),
    [
        (0.412, 0.5, "refuse (below_floor): macro F1 0.412 is below the floor 0.500"),
        (0.872, 0.5, "push: no model in production yet and macro F1 0.872 reaches the floor 0.500"),
        (0.5, 0.5, "push: no model in production yet and macro F1 0.500 reaches the floor 0.500"),
        (0.0, 0.0, "push: no model in production yet and macro F1 0.000 reaches the floor 0.000"),
    ],
)
def test_without_production_the_floor_decides(tmp_path, macro_f1, floor, reason):
    decision = alone(tmp_path, macro_f1, GateSettings(min_macro_f1=floor))
    assert decision.reason == reason
    assert decision.decision == reason.split(":")[0].split(" ")[0]
    assert decision.difference is None
    assert not (tmp_path / "models").exists()  # nothing was compared, so nothing is counted


def dense_of(mean_iou):
    return DenseScores(
        mean_iou=mean_iou,
        interval=(mean_iou - 0.1, mean_iou + 0.1),
        background_iou=0.9,
        class_iou={"a": mean_iou},
        thresholds=(0.5,),
        num_pixels=1_000,
    )


@pytest.mark.parametrize(
    ("mean_iou", "floor", "reason"),
    [
        (0.6, 0.0, "push: no model in production yet and macro F1 0.900 reaches the floor 0.500"),
        (0.6, 0.6, "push: no model in production yet and macro F1 0.900 reaches the floor 0.500"),
        (0.599, 0.6, "refuse (below_floor): mean IoU 0.599 is below the floor 0.600"),
        (None, 0.0, "push: no model in production yet and macro F1 0.900 reaches the floor 0.500"),
        (
            None,
            0.6,
            "refuse (below_floor): no maps of the model were judged, and gate_min_mean_iou is 0.6; train with a dense "
            "head, or set it to 0",
        ),
    ],
)
def test_maps_may_have_a_floor_too(tmp_path, mean_iou, floor, reason):
    dense = None if mean_iou is None else dense_of(mean_iou)
    decision = alone(tmp_path, 0.9, GateSettings(min_macro_f1=0.5, min_mean_iou=floor), dense=dense)
    assert decision.reason == reason
    assert (decision.mean_iou, decision.mean_iou_floor) == (mean_iou, floor)
    numbers = json.loads(numbers_line(decision).removeprefix(NUMBERS))
    assert numbers["mean_iou"] == mean_iou
    assert numbers["mean_iou_interval"] == (None if dense is None else list(dense.interval))


def test_the_decision_report_tells_the_mean_iou_and_its_floor(tmp_path):
    evaluation = evaluation_of(tmp_path / "data", sums_of(FIELDS, *answers((0.1,))))
    evaluation = msgspec.structs.replace(evaluation, dense=dense_of(0.55))
    settings = GateSettings(min_macro_f1=0.1, min_mean_iou=0.6)
    decision = decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, evaluation)
    write_report(decision, evaluation, str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "mean IoU of its maps</td><td>0.550" in page
    assert "floor (gate_min_mean_iou)</td><td>0.600" in page
    write_in_short(decision, evaluation, str(tmp_path / "short.md"))
    short = (tmp_path / "short.md").read_text()
    assert "mean IoU of its maps" in short
    assert "larger images, which give finer maps" in short


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.05, 0.20), "push"),  # clearly better
        ((0.20, 0.05), "class_lost"),  # clearly worse, and in every class
        ((0.10, 0.12), "not_better"),  # better, but by no more than chance could do
        ((0.10, 0.105), "not_better"),  # worse by no more than that
    ],
)
def test_only_a_model_that_is_better_by_more_than_noise_is_pushed(tmp_path, rates, expected):
    decision = decided(tmp_path, *answers(rates))
    assert decision.outcome == expected
    assert decision.decision == ("push" if expected == "push" else "refuse")
    mean, low, high = decision.difference
    assert low < mean < high
    assert (low > 0) == (decision.p_value <= decision.alpha) == (expected == "push")
    assert mean == pytest.approx(decision.candidate_macro_f1 - decision.production_macro_f1)
    for text in (f"{decision.candidate_macro_f1:.3f}", "version v1", "question 1 to this test set, asked at 2 %"):
        assert text in decision.reason
    assert list(decision.class_differences) == ["class0", "class1", "class2"]


def test_a_model_that_is_worse_in_all_by_little_is_refused_as_worse(tmp_path):
    decision = decided(tmp_path, *answers((0.12, 0.07)), settings=GateSettings(min_macro_f1=0.3, max_class_loss=1))
    assert decision.outcome == "not_better"
    assert "worse by more than noise" in decision.reason


def test_a_model_that_errs_like_production_is_not_better_than_noise(tmp_path):
    labels, candidate = answers((0.1,))
    decision = decided(tmp_path, labels, candidate, candidate)
    assert decision.outcome == "not_better"
    assert "not better than noise" in decision.reason
    assert decision.difference == pytest.approx((0, 0, 0), abs=1e-5)
    assert decision.p_value == 1


def rare_class(kept_fields, gain=0.15):
    """Three classes, of which the last is in ten fields; the candidate is better at two, and finds it in some."""
    labels, candidate, production = answers((0.02, 0.02 + gain))
    rare = np.isin(FIELDS, [f"field{i:03}" for i in range(10)])
    labels[:, 2] = rare & (np.arange(len(FIELDS)) % 2 == 0)
    production[:, 2] = labels[:, 2]
    candidate[:, 2] = labels[:, 2] & np.isin(FIELDS, [f"field{i:03}" for i in range(kept_fields)])
    return labels, candidate, production


def test_a_gain_that_is_bought_with_a_rare_class_is_refused_by_its_name(tmp_path):
    decision = decided(tmp_path / "kept", *rare_class(10))
    assert decision.outcome == "push"
    lost = decided(tmp_path / "lost", *rare_class(2))
    assert lost.outcome == "class_lost"
    assert lost.decision == "refuse"
    assert "lost class2 (F1 0.333 against 1.000)" in lost.reason
    assert lost.class_differences["class2"][2] < 0  # the interval lies below 0
    assert lost.class_differences["class0"][1] > 0


def test_a_rare_class_may_fall_by_as_much_as_the_setting_says(tmp_path):
    settings = GateSettings(min_macro_f1=0.3, max_class_loss=0.7)
    assert "lost" not in decided(tmp_path, *rare_class(2), settings=settings).reason


@pytest.mark.parametrize(("num_fields", "outcome"), [(1, "undecidable"), (2, "class_lost"), (3, "class_lost")])
def test_a_class_of_few_fields_is_lost_when_nothing_of_it_is_found(tmp_path, num_fields, outcome):
    # Three fields give no p-value below 1/8. One tells nothing about others, but a sixth of macro F1 hangs on it.
    labels, candidate, production = answers((0.02, 0.3), num_classes=6)
    occurs = np.isin(FIELDS, [f"field{i:03}" for i in range(num_fields)])
    labels[:, 5] = production[:, 5] = occurs
    candidate[:, 5] = False
    assert decided(tmp_path, labels, candidate, production).outcome == outcome


def test_a_class_below_its_floor_is_named(tmp_path):
    labels, candidate, production = rare_class(2)
    settings = GateSettings(min_macro_f1=0.3, min_class_f1=0.6)
    decision = decided(tmp_path, labels, candidate, production, settings=settings)
    assert decision.reason == "refuse (below_floor): F1 below the floor 0.600 of a class: class2 0.333"
    labels[:, 2] = candidate[:, 2] = production[:, 2] = False  # it does not occur, so it has no F1
    assert decided(tmp_path, labels, candidate, production, settings=settings).outcome == "push"


def test_a_better_model_below_the_floor_is_refused(tmp_path):
    decision = decided(tmp_path, *answers((0.05, 0.2)), settings=GateSettings(min_macro_f1=0.99))
    assert decision.reason.endswith("is below the floor 0.990")
    assert decision.outcome == "below_floor"
    assert decision.question == 1  # it has been compared, so it counts


@pytest.mark.parametrize("num_fields", [2, 5])
def test_too_few_fields_to_tell_are_told(tmp_path, num_fields):
    # Better in every field, but five fields give no p-value below 1/32.
    here = np.isin(FIELDS, [f"field{i:03}" for i in range(num_fields)])
    decision = decided(tmp_path, *(of[here] for of in answers((0.0, 0.3))), fields=FIELDS[here])
    assert decision.outcome == "undecidable"
    assert f"{num_fields} test fields are too few to tell" in decision.reason


def test_the_model_in_production_is_not_pushed_again(tmp_path):
    decision = decided(tmp_path, *answers((0.1, 0.1)), production_training_id="new")
    assert decision.reason == "refuse (same_model): training new is already in production as v1"
    assert not (tmp_path / "models").exists()


def test_production_that_cannot_be_compared_does_not_stand_in_the_way(tmp_path):
    decision = alone(tmp_path, 0.9, production_version="3f2a", production_note="version 3f2a has no card.json")
    assert (decision.decision, decision.outcome) == ("push", "push")
    assert "production was not compared: version 3f2a has no card.json" in decision.reason


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


@pytest.mark.parametrize("name", ["min_macro_f1", "min_class_f1", "max_class_loss"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_setting_outside_0_to_1_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"gate_{name} must be between 0 and 1, got"):
        GateSettings(**{name: value})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), r"sums by field at .*fields.jsonl' are missing; run the pipeline again"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "its sha256 is .*; delete it and run the pipeline"),
    ],
)
def test_lost_or_damaged_sums_are_named(tmp_path, spoil, message):
    evaluation = evaluation_of(tmp_path, sums_of(FIELDS, *answers((0.1, 0.1))))
    spoil(tmp_path / evaluation.fields_path)
    with pytest.raises(DataError, match=f"cannot compare with production, the .*{message}"):
        decide_push(str(tmp_path), str(tmp_path), SETTINGS, evaluation)


def test_an_evaluation_of_an_earlier_version_is_named(tmp_path):
    evaluation = evaluation_of(tmp_path, sums_of(FIELDS, *answers((0.1, 0.1))), fields_path="", test_set="")
    with pytest.raises(DataError, match=r"the evaluation names no sums by field, .*; run evaluate again"):
        decide_push(str(tmp_path), str(tmp_path), SETTINGS, evaluation)


def test_a_repeated_decision_is_the_same_and_asks_nothing_more(tmp_path):
    first = decided(tmp_path, *answers((0.1, 0.12)))
    ledger = storage.read_bytes(ledger_uri(str(tmp_path / "models"), first.test_set))
    assert decided(tmp_path, *answers((0.1, 0.12))) == first
    assert storage.read_bytes(ledger_uri(str(tmp_path / "models"), first.test_set)) == ledger


def test_each_candidate_is_asked_more_strictly_than_the_one_before(tmp_path):
    alphas = []
    for number in range(1, 5):
        decision = decided(tmp_path, *answers((0.1, 0.12)), training_id=f"t{number}")
        assert decision.question == number
        assert f"question {number} to this test set" in decision.reason
        alphas.append(decision.alpha)
    assert alphas == pytest.approx([0.04 / 2, 0.04 / 6, 0.04 / 12, 0.04 / 20])
    uri = ledger_uri(str(tmp_path / "models"), decision.test_set)
    ledger = Ledger.from_json(storage.read_bytes(uri), uri)
    assert [question.training_id for question in ledger.questions] == ["t1", "t2", "t3", "t4"]
    assert {question.outcome for question in ledger.questions} == {"not_better"}
    # Against another version it is another question, and on other tiles it is the first again.
    assert decided(tmp_path, *answers((0.1, 0.12)), training_id="t1", production_version="v2").question == 5
    assert decided(tmp_path, *answers((0.1, 0.12), seed=1), training_id="t1").question == 1


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


def test_three_hundred_classes_take_seconds():
    rng = np.random.default_rng(0)
    labels = rng.random((686 * 28, 300)) < 0.02
    models = [labels ^ (rng.random(labels.shape) < 0.005) for _ in range(2)]
    sums = sums_of(np.repeat(np.arange(686), 28).astype(str), labels, *models)
    started = time.process_time()
    compare_models(sums.classes, sums.counts("candidate"), sums.counts("production"), 0.05).class_differences()
    assert time.process_time() - started < 20
