"""Labels that the model doubts: wrong ones are among the first, and a person can work through the list."""

import codecs
import csv
import hashlib
import io

import numpy as np
import pytest
from tile_shards import CLASSES, fake_record, manifest_of, write_split

from bench.model_pairs import NUM_CLASSES, RATES, make_test_set
from components.evaluate.weaknesses.label_doubts import AnsweredSplit, find_doubts, list_doubts


def split_of(labels, probabilities, name="test", positions=None, names=None):
    def of_rows(rows):
        return [(f"t{row}", "f") for row in rows] if names is None else [names[row] for row in rows]

    rows = lambda here: (labels[here], probabilities[here])  # noqa: E731
    return AnsweredSplit(name, len(labels), rows, positions, of_rows)


def answered(seed, strength, num_fields=200):
    """True labels, and the calibrated probabilities of a model; its macro F1 is 0.93 at strength 4, 0.78 at 3."""
    generator = np.random.default_rng(seed)
    test_set = make_test_set(generator, num_fields)
    of_field = 0.6 * generator.normal(size=(num_fields, NUM_CLASSES))[test_set.field_of_tile]
    seen = np.where(test_set.labels, 0.5, -0.5) * strength + of_field + 0.8 * generator.normal(size=of_field.shape)
    rates = np.array(RATES)
    logits = np.log(rates / (1 - rates)) + seen * strength / (0.6**2 + 0.8**2)
    return generator, test_set.labels, (1 / (1 + np.exp(-logits))).astype(np.float32)


@pytest.mark.parametrize(("strength", "found_of_twice", "right_of_first"), [(4.0, 0.9, 0.9), (3.0, 0.8, 0.8)])
def test_of_3_percent_of_labels_turned_over_80_percent_are_among_the_first_twice_as_many(
    strength, found_of_twice, right_of_first
):
    generator, labels, probabilities = answered(1, strength)
    turned = generator.random(labels.shape) < 0.03
    doubts = find_doubts([split_of(labels ^ turned, probabilities)], NUM_CLASSES, most_of_class=10**6)
    hits = turned[doubts.row, doubts.class_index][np.argsort(-doubts.doubt, kind="stable")]
    num = turned.sum()
    assert hits[: 2 * num].sum() >= found_of_twice * num  # measured: 93 % and 87 %
    assert hits[:num].sum() >= right_of_first * num  # measured: 93 % and 85 %


def test_of_3_percent_of_tiles_filed_under_another_class_80_percent_are_among_the_first_twice_as_many():
    """The harder case: a wrong "no" hides among the tiles of a class that the model took for it by mistake."""
    generator, labels, probabilities = answered(1, 4.0)
    turned = np.zeros_like(labels)
    for tile in np.flatnonzero(labels.any(axis=1) & (generator.random(len(labels)) < 0.03)):
        turned[tile, generator.choice(np.flatnonzero(labels[tile]))] = True
        turned[tile, generator.choice(np.flatnonzero(~labels[tile]))] = True
    doubts = find_doubts([split_of(labels ^ turned, probabilities)], NUM_CLASSES, most_of_class=10**6)
    hits = turned[doubts.row, doubts.class_index][np.argsort(-doubts.doubt, kind="stable")]
    num = turned.sum()
    assert hits[: 2 * num].sum() >= 0.85 * num  # measured: 90 %
    assert hits[:num].sum() >= 0.8 * num  # measured: 84 %


def test_what_is_doubted_follows_from_how_sure_the_model_is_elsewhere():
    labels = np.array([[True], [True], [True], [False], [False], [False]])
    # Sure of "yes" at 0.6 on average, of "no" at 0.7.
    probabilities = np.array([[0.9], [0.75], [0.15], [0.0], [0.1], [0.8]], np.float32)
    doubts = find_doubts([split_of(labels, probabilities)], 1)
    assert doubts.row.tolist() == [2, 5]  # a "yes" at 0.15 is doubted by 0.85
    np.testing.assert_allclose(doubts.doubt, [0.85, 0.8])
    assert doubts.num.tolist() == [[1, 1]]
    # Nobody is sure of a class that no tile has, so no "no" is doubted.
    assert find_doubts([split_of(labels & False, probabilities)], 1).num.tolist() == [[0, 0]]


def test_memory_is_bounded_and_blocks_do_not_matter(monkeypatch):
    _, labels, probabilities = answered(2, 3.0, 40)
    parts = [split_of(labels[:300], probabilities[:300], "val"), split_of(labels[300:], probabilities[300:])]
    whole = find_doubts(parts, NUM_CLASSES)
    few = find_doubts(parts, NUM_CLASSES, most_of_class=2)
    monkeypatch.setattr("components.evaluate.weaknesses.label_doubts._CELLS_AT_ONCE", 64 * NUM_CLASSES)
    again = find_doubts(parts, NUM_CLASSES)
    for name in ("num", "class_index", "split_index", "row", "has_class", "probability"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(again, name))
    np.testing.assert_array_equal(few.num, whole.num)
    assert np.bincount(few.class_index).max() == 2
    for c in range(NUM_CLASSES):
        np.testing.assert_array_equal(few.doubt[few.class_index == c], whole.doubt[whole.class_index == c][:2])


@pytest.fixture
def dataset(tmp_path):
    records = [fake_record(number) for number in range(24)]
    splits = {name: write_split(tmp_path, records, 2) for name in ("val", "test")}
    return tmp_path, manifest_of(splits, 48)


def flat(num, name, changes=(), names=None):
    labels = np.zeros((num, 3), bool)
    labels[::2, 0] = True
    probabilities = np.where(labels, 0.9, 0.1).astype(np.float32)
    for row, c, p in changes:
        probabilities[row, c] = p
    names = names or [(f"tile{row}", f"FIELD{row // 4}") for row in range(num)]
    return split_of(labels, probabilities, name, names=names)


def listed(tmp_path, found):
    content = (tmp_path / found.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == found.sha256
    assert content.startswith(codecs.BOM_UTF8)  # by which Excel knows UTF-8
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_list_names_each_tile_with_its_record(dataset):
    tmp_path, manifest = dataset
    splits = [flat(24, "val", [(14, 0, 0.02)]), flat(24, "test", [(3, 0, 0.95), (5, 0, 0.97)])]
    found = list_doubts(str(tmp_path), "evaluations/0", manifest, splits)
    shards = {name: [shard.path for shard in manifest.splits[name].shards] for name in ("val", "test")}
    rows = listed(tmp_path, found)
    assert rows[0] == {
        "tile": "tile14",
        "field": "FIELD3",
        "split": "val",
        "class": "water",
        "label": "yes",
        "model": "no",
        "probability": "0.020000",
        "doubt": "0.980000",
        "shard": shards["val"][1],
        "record": "2",
    }
    assert [(row["tile"], row["label"], row["shard"], row["record"]) for row in rows[1:]] == [
        ("tile5", "no", shards["test"][0], "5"),
        ("tile3", "no", shards["test"][0], "3"),
    ]
    assert (found.num_doubts, found.num_listed, found.num_tiles) == (3, 3, 48)
    assert found.of_class == {"water": (1, 2), "weed_cluster": (0, 0), "drydown": (0, 0)}
    assert [each.tile_id for each in found.shown] == ["tile14", "tile5", "tile3"]
    assert found.shown[0].position == 14


def test_a_rare_class_has_its_place_in_a_list_that_is_full(dataset, monkeypatch):
    tmp_path, manifest = dataset
    monkeypatch.setattr("components.evaluate.weaknesses.label_doubts.MOST_LISTED", 4)
    labels = np.zeros((24, 3), bool)
    labels[:12] = True
    probabilities = np.where(labels, 0.9, 0.1).astype(np.float32)
    probabilities[:5, 0] = [0.01, 0.02, 0.03, 0.04, 0.05]
    probabilities[6, 2] = 0.08
    found = list_doubts(str(tmp_path), "evaluations/0", manifest, [split_of(labels, probabilities)])
    rows = listed(tmp_path, found)
    assert [(row["tile"], row["class"]) for row in rows] == [*((f"t{k}", "water") for k in range(3)), ("t6", "drydown")]
    assert (found.num_doubts, found.num_listed) == (6, 4)
    assert found.of_class["water"] == (5, 0)


def test_no_name_becomes_a_formula_or_a_line_of_its_own(dataset):
    tmp_path, manifest = dataset
    names = [('=HYPERLINK("http://x")', "+1"), ("@x", "-2"), ("a\nb", "\x1b[2J"), *[("t", "f")] * 21]
    splits = [flat(24, "test", [(0, 0, 0.01), (2, 0, 0.02), (1, 0, 0.99)], names)]
    found = list_doubts(str(tmp_path), "evaluations/0", manifest, splits)
    cells = {(row["tile"], row["field"]) for row in listed(tmp_path, found)}
    assert cells == {('\'=HYPERLINK("http://x")', "'+1"), ("a\\nb", "\\x1b[2J"), ("'@x", "'-2")}


def test_where_tiles_are_left_out_a_doubt_still_finds_its_record(dataset):
    tmp_path, manifest = dataset
    labels = np.arange(36).reshape(12, 3) != 1  # one tile without the class
    probabilities = np.where(labels, 0.9, 0.1).astype(np.float32)
    probabilities[10, 1] = 0.01
    split = split_of(labels, probabilities, positions=np.arange(1, 24, 2))
    (only,) = list_doubts(str(tmp_path), "evaluations/0", manifest, [split]).shown
    assert (only.position, only.record, only.class_name) == (21, 9, CLASSES[1])


def test_without_doubts_there_is_an_empty_list(dataset):
    tmp_path, manifest = dataset
    found = list_doubts(str(tmp_path), "evaluations/0", manifest, [flat(24, "test")])
    assert (found.num_doubts, found.num_listed, found.shown) == (0, 0, ())
    assert listed(tmp_path, found) == []
