"""The challenges' mean IoU: hand-worked pixels, a plain loop that restates the published rules, sums and intervals."""

import numpy as np
import pytest

from components.scoring.overlap_iou import iou, overlap_iou, pixel_confusion


def _confusion(predicted, labels, valid=None):
    """Returns M for one row of pixels and two classes; index 0 is background."""
    row = np.array([predicted], np.uint8)
    planes = {c: np.array([plane], bool) for c, plane in labels.items()}
    return pixel_confusion(row, planes, None if valid is None else np.array([valid], bool), 2).tolist()


@pytest.mark.parametrize(
    ("predicted", "labels", "valid", "expected"),
    [
        pytest.param([0], {}, None, [[1, 0, 0], [0, 0, 0], [0, 0, 0]], id="background found"),
        pytest.param([1], {}, None, [[0, 0, 0], [1, 0, 0], [0, 0, 0]], id="a class where there is background"),
        pytest.param([1], {0: [1]}, None, [[0, 0, 0], [0, 1, 0], [0, 0, 0]], id="a class found"),
        pytest.param([0], {0: [1]}, None, [[0, 1, 0], [0, 0, 0], [0, 0, 0]], id="a class missed"),
        pytest.param([2], {0: [1]}, None, [[0, 0, 0], [0, 0, 0], [0, 1, 0]], id="another class in its place"),
        pytest.param([1], {0: [1], 1: [1]}, None, [[0, 0, 0], [0, 1, 0], [0, 0, 1]], id="one of two counts for both"),
        pytest.param([0], {0: [1], 1: [1]}, None, [[0, 1, 1], [0, 0, 0], [0, 0, 0]], id="neither of two, twice wrong"),
        pytest.param([1, 2], {0: [1, 1]}, [1, 0], [[0, 0, 0], [0, 1, 0], [0, 0, 0]], id="an invalid pixel is nothing"),
        pytest.param([1, 1], {0: [0, 1]}, [0, 0], [[0, 0, 0], [0, 0, 0], [0, 0, 0]], id="no valid pixel at all"),
    ],
)
def test_each_pixel_counts_as_the_published_rules_say(predicted, labels, valid, expected):
    assert _confusion(predicted, labels, valid) == expected


def _by_the_rules(predicted, labels, valid, num_classes):
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for at in np.ndindex(predicted.shape):
        if valid[at]:
            true = {c + 1 for c, plane in labels.items() if plane[at]} or {0}
            for y in true:
                matrix[y if predicted[at] in true else predicted[at], y] += 1
    return matrix


@pytest.mark.parametrize("num_classes", [1, 3, 9, 15])
def test_a_tile_counts_as_its_pixels_one_by_one(num_classes):
    generator = np.random.default_rng(num_classes)
    predicted = generator.integers(0, num_classes + 1, (17, 23)).astype(np.uint8)
    labels = {c: generator.random((17, 23)) < 0.3 for c in range(0, num_classes, 2)}
    valid = generator.random((17, 23)) < 0.8
    assert (
        pixel_confusion(predicted, labels, valid, num_classes) == _by_the_rules(predicted, labels, valid, num_classes)
    ).all()


def test_the_score_of_a_hand_worked_tile():
    # Eight pixels, two classes: background found 2 of 3 and taken for class a once; a found 2 of 3 (once with b, which
    # that finds too) and missed once; b missed once more, as a.
    predicted = [0, 0, 1, 1, 1, 0, 1, 2]
    a = [0, 0, 0, 1, 1, 1, 0, 0]
    b = [0, 0, 0, 0, 1, 0, 1, 1]
    score = overlap_iou(("a", "b"), np.array([_confusion(predicted, {0: a, 1: b})]))
    # background: 2 / (2 + 1 missed as a's miss + 1 wrongly a); a: 2 / (2 + 1 + 1 + 1); b: 2 / (2 + 1)
    assert score.by_class == pytest.approx({"background": 2 / 4, "a": 2 / 5, "b": 2 / 3})
    assert score.mean == pytest.approx((2 / 4 + 2 / 5 + 2 / 3) / 3)
    assert score.left_out == ()


def test_a_class_that_is_neither_labelled_nor_predicted_is_left_out_and_named():
    score = overlap_iou(("a", "b"), np.array([_confusion([0, 1], {0: [0, 1]})]))
    assert score.by_class == {"background": 1.0, "a": 1.0, "b": None}
    assert (score.mean, score.left_out) == (1.0, ("b",))


def test_a_class_that_is_only_predicted_counts_as_0():
    assert overlap_iou(("a", "b"), np.array([_confusion([0, 2], {})])).by_class == {
        "background": 0.5,
        "a": None,
        "b": 0.0,
    }


def test_nothing_counted_is_a_score_of_0_with_nothing_known():
    score = overlap_iou(("a",), np.zeros((0, 2, 2), np.int64))
    assert (score.mean, score.interval, score.left_out) == (0.0, (0.0, 1.0), ("background", "a"))


def test_sums_do_not_depend_on_how_tiles_are_shared_out():
    generator = np.random.default_rng(7)
    tiles = []
    for _ in range(12):
        predicted = generator.integers(0, 3, (8, 8)).astype(np.uint8)
        tiles.append(pixel_confusion(predicted, {0: generator.random((8, 8)) < 0.4}, None, 2))
    one = np.sum(tiles, axis=0)
    other = np.sum([np.sum(tiles[start::5], axis=0) for start in range(5)], axis=0)
    assert (one == other).all()
    assert np.array_equal(iou(one), iou(other), equal_nan=True)


def test_the_interval_covers_the_score_of_all_fields():
    # Fields differ in how much of a class the model finds; 40 of them tell the mean of all to some hundredths.
    covered = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        found = np.clip(generator.normal(0.7, 0.15, 40), 0, 1)
        hits = generator.binomial(1_000, found)
        fields = np.zeros((40, 2, 2), np.int64)
        fields[:, 1, 1], fields[:, 0, 1], fields[:, 0, 0] = hits, 1_000 - hits, 3_000
        low, high = overlap_iou(("a",), fields, num_resamples=400).interval
        covered += low <= (0.697 + 3_000 / (4_000 - 697)) / 2 <= high
    assert covered >= 54  # 95 % of 60 are 57


def test_a_class_has_an_interval_from_the_fields_that_have_it():
    generator = np.random.default_rng(0)
    fields = np.zeros((30, 4, 4), np.int64)
    for field in range(30):
        hits = generator.integers(60, 90)
        fields[field, 0, 0], fields[field, 1, 1], fields[field, 0, 1] = 500, hits, 100 - hits
    fields[0, 2, 2], fields[1:6, 2, 0] = 80, 10  # class b is in one field, and seen in six
    score = overlap_iou(("a", "b", "c"), fields, num_resamples=400)
    low, high = score.intervals["a"]
    assert 0.6 < low < score.by_class["a"] < high < 0.9
    assert high - low < 0.15
    assert score.intervals["b"] == (0.0, 1.0), "one field tells nothing about others"
    assert sorted(score.intervals) == ["a", "b", "background"]
    fields[1, 2, 2] = fields[2, 2, 2] = 80
    low, _ = overlap_iou(("a", "b", "c"), fields, num_resamples=400).intervals["b"]
    assert low > 0.3, "a draw without a field that has the class says nothing of its IoU"


@pytest.mark.parametrize(
    ("labels", "valid", "num_classes", "message"),
    [
        ({2: (4, 4)}, None, 2, "a label of class 2, but there are 2"),
        ({0: (4, 5)}, None, 2, r"label 0 is \[4, 5\], but the prediction \[4, 4\]"),
        ({}, (3, 4), 2, r"valid is \[3, 4\], but the prediction \[4, 4\]"),
        ({}, None, 16, "the number of classes must be 1 to 15, got 16"),
        ({}, None, 1, "a prediction above 1, the last class"),
    ],
)
def test_what_does_not_fit_is_refused(labels, valid, num_classes, message):
    predicted = np.full((4, 4), 2, np.uint8)
    planes = {c: np.ones(shape, bool) for c, shape in labels.items()}
    with pytest.raises(ValueError, match=message):
        pixel_confusion(predicted, planes, None if valid is None else np.ones(valid, bool), num_classes)
