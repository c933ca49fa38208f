"""The gate: what is pushed, what is refused, and why."""

import io
import time

import numpy as np
import pytest

from components import storage
from components.contracts import ClassScores, Evaluation, Scores
from components.errors import DataError, SettingsError
from components.gate.decision import decide_push, macro_f1_difference
from components.gate.report import write_report

NUM_TILES, TILES_PER_FIELD = 400, 8


def scores(macro_f1):
    one = ClassScores(threshold=0.5, precision=0, recall=0, f1=macro_f1, average_precision=0, support=1)
    return Scores(macro_f1=macro_f1, macro_precision=0, macro_recall=0, map=0, per_class={"a": one})


def evaluation(macro_f1, **changes):
    fields = {
        "training_id": "new",
        "manifest_sha256": "m",
        "num_test_tiles": NUM_TILES,
        "thresholds": (0.5,),
        "candidate": scores(macro_f1),
        "predictions_path": "evaluations/1/predictions.npz",
    }
    return Evaluation(**{**fields, **changes})


def predictions(error_rates, seed=0):
    """Labels of three classes, and predictions of two models that flip each of them at these rates."""
    rng = np.random.default_rng(seed)
    labels = rng.random((NUM_TILES, 3)) < 0.3
    models = [labels ^ (rng.random(labels.shape) < rate) for rate in error_rates]
    tile_ids = np.array([f"tile{i}" for i in range(NUM_TILES)])
    field_ids = np.array([f"field{i // TILES_PER_FIELD}" for i in range(NUM_TILES)])
    return labels, *models, tile_ids, field_ids


def macro_f1(labels, predicted):
    hits = (labels & predicted).sum(axis=0)
    return float((2 * hits / (labels.sum(axis=0) + predicted.sum(axis=0))).mean())


def compared(data_root, labels, candidate, production, tile_ids, field_ids):
    """Writes the predictions, and returns the evaluation that names them."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        labels=labels,
        candidate_predicted=candidate,
        production_predicted=production,
        tile_ids=tile_ids,
        field_ids=field_ids,
    )
    result = evaluation(
        macro_f1(labels, candidate),
        production=scores(macro_f1(labels, production)),
        production_version="3f2a",
        production_training_id="old",
    )
    storage.write_bytes(storage.join(str(data_root), result.predictions_path), buffer.getvalue())
    return result


@pytest.mark.parametrize(
    ("macro_f1", "floor", "reason"),
    [
        (0.412, 0.5, "refuse: macro F1 0.412 is below the floor 0.500"),
        (0.872, 0.5, "push: no model in production yet and macro F1 0.872 reaches the floor 0.500"),
        (0.5, 0.5, "push: no model in production yet and macro F1 0.500 reaches the floor 0.500"),
        (0.0, 0.0, "push: no model in production yet and macro F1 0.000 reaches the floor 0.000"),
    ],
)
def test_without_production_the_floor_decides(tmp_path, macro_f1, floor, reason):
    decision = decide_push(str(tmp_path), floor, evaluation(macro_f1))
    assert decision.reason == reason
    assert decision.decision == reason.split(":")[0]
    assert decision.difference is None


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.05, 0.20), "push"),  # clearly better
        ((0.20, 0.05), "refuse"),  # clearly worse
        ((0.10, 0.14), "refuse"),  # better, but by no more than chance could do
        ((0.10, 0.105), "refuse"),  # worse by no more than that
    ],
)
def test_only_a_model_that_is_better_by_more_than_noise_is_pushed(tmp_path, rates, expected):
    decision = decide_push(str(tmp_path), 0.3, compared(tmp_path, *predictions(rates)))
    assert decision.decision == expected
    mean, low, high = decision.difference
    assert low < mean < high
    assert mean == pytest.approx(decision.candidate_macro_f1 - decision.production_macro_f1)
    for number in (f"{decision.candidate_macro_f1:.3f}", "version 3f2a", f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"):
        assert number in decision.reason


def test_a_model_that_errs_like_production_is_not_pushed(tmp_path):
    labels, candidate, _, *ids = predictions((0.1, 0.1))
    decision = decide_push(str(tmp_path), 0.3, compared(tmp_path, labels, candidate, candidate, *ids))
    assert decision.decision == "refuse"
    assert decision.difference == (0, 0, 0)


def test_a_better_model_below_the_floor_is_refused(tmp_path):
    decision = decide_push(str(tmp_path), 0.99, compared(tmp_path, *predictions((0.05, 0.2))))
    assert decision.reason.endswith("is below the floor 0.990")
    assert decision.decision == "refuse"


def test_the_model_in_production_is_not_pushed_again(tmp_path):
    result = evaluation(0.9, production_version="3f2a", production_training_id="new")
    decision = decide_push(str(tmp_path), 0.5, result)
    assert decision.reason == "refuse: this model (training new) is already in production as 3f2a"


def test_production_that_cannot_be_compared_does_not_stand_in_the_way(tmp_path):
    result = evaluation(0.9, production_version="3f2a", production_note="version 3f2a has no card.json")
    decision = decide_push(str(tmp_path), 0.5, result)
    assert decision.decision == "push"
    assert "production was not compared: version 3f2a has no card.json" in decision.reason


@pytest.mark.parametrize(
    ("rates", "floor", "said"),
    [
        ((0.05, 0.2), 0.5, ["The model is pushed.", "version in production</td>", "its 95 % interval</td>"]),
        ((0.2, 0.2), 0.5, ["The model is not pushed.", "is not above 0."]),
        ((0.05, 0.2), 0.99, ["The model is not pushed.", "is below the floor 0.990."]),
    ],
)
def test_the_report_says_what_was_decided_and_by_which_numbers(tmp_path, rates, floor, said):
    judged = compared(tmp_path, *predictions(rates))
    decision = decide_push(str(tmp_path), floor, judged)
    write_report(decision, judged, str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    for text in (*said, f"{decision.candidate_macro_f1:.3f}", f"{floor:.3f}", f"{decision.production_macro_f1:.3f}"):
        assert text in page
    low, high = decision.difference[1:]
    assert f"{low:+.3f} to {high:+.3f}" in page


@pytest.mark.parametrize("floor", [-0.1, 1.1, float("nan")])
def test_a_floor_outside_0_to_1_is_refused(tmp_path, floor):
    with pytest.raises(SettingsError, match="gate_min_macro_f1 must be between 0 and 1, got"):
        decide_push(str(tmp_path), floor, evaluation(0.9))


def test_lost_predictions_are_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot compare with production.*predictions.npz"):
        decide_push(str(tmp_path), 0.5, evaluation(0.9, production=scores(0.8), production_version="3f2a"))


def test_the_decision_is_the_same_each_time():
    arrays = predictions((0.1, 0.12))
    assert macro_f1_difference(*arrays) == macro_f1_difference(*arrays)


def test_tiles_of_one_field_count_as_one_witness():
    # Each field's tiles are copies of one tile, so there are only 50 witnesses, however many tiles.
    arrays = [array[::TILES_PER_FIELD].repeat(TILES_PER_FIELD, axis=0) for array in predictions((0.1, 0.15))]
    fields = np.repeat([f"f{i}" for i in range(NUM_TILES // TILES_PER_FIELD)], TILES_PER_FIELD)
    unknown = np.full(NUM_TILES, "")
    arrays[3] = np.array([f"tile{i}" for i in range(NUM_TILES)])
    _, low, high = macro_f1_difference(*arrays[:4], fields)
    _, low_by_tile, high_by_tile = macro_f1_difference(*arrays[:4], unknown)
    assert (high - low) / (high_by_tile - low_by_tile) == pytest.approx(TILES_PER_FIELD**0.5, rel=0.2)


def test_one_field_proves_nothing():
    labels, candidate, production, tile_ids, _ = predictions((0.01, 0.5))
    assert macro_f1_difference(labels, candidate, production, tile_ids, np.full(NUM_TILES, "f"))[1:] == (-1, 1)


def test_the_interval_holds_what_it_promises():
    # Two equally good models: the interval must lie above 0 in about 2.5 % of the cases.
    wins = sum(macro_f1_difference(*predictions((0.1, 0.1), seed))[1] > 0 for seed in range(200))
    assert wins <= 12  # 2.5 % are 5; more than 12 would come up once in 400 tries


def test_twenty_thousand_tiles_take_seconds():
    rng = np.random.default_rng(0)
    labels, candidate, production = (rng.random((20_000, 9)) < 0.3 for _ in range(3))
    tile_ids = np.array([f"t{i}" for i in range(20_000)])
    started = time.process_time()
    macro_f1_difference(labels, candidate, production, tile_ids, np.full(20_000, ""))
    assert time.process_time() - started < 20
