"""The sums by field: who adds what in which order makes no difference, and what is written is read again."""

import json

import msgspec
import numpy as np
import pytest
from field_counts import sums_of
from mutations import mutations
from sklearn.metrics import confusion_matrix

from components.scoring.field_effects import class_effects, macro_effects, total_macro_f1
from components.scoring.field_lines import counts_from_lines, to_lines
from components.scoring.field_sums import Answers, add_sums, class_edges, join_classes, sum_tiles


def answered(num_tiles=500, num_classes=3, num_fields=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.random((num_tiles, num_classes)) < (0.3, 0.1, 0.01)[:num_classes]
    scores = [rng.random(labels.shape).astype(np.float32) * 0.7 + 0.3 * labels for _ in range(2)]
    fields = np.array([f"field{number:02}" for number in rng.integers(num_fields, size=num_tiles)])
    return fields, labels, [(of > 0.5, of.astype(np.float32)) for of in scores]


def test_the_counts_are_those_of_scikit_learn_by_field():
    fields, labels, models = answered()
    sums = sums_of(fields, labels, *models)
    for f, field in enumerate(sums.fields):
        here = fields == field
        assert sums.num_tiles[f] == here.sum()
        for c in range(3):
            found = confusion_matrix(labels[here, c], models[0][0][here, c], labels=[False, True])
            counts = sums.counts("candidate")
            assert (counts.hits[f, c], counts.predicted[f, c]) == (found[1, 1], found[:, 1].sum())
            assert counts.true[f, c] == found[1].sum()


@pytest.mark.parametrize("num_workers", [1, 2, 5, 500])
def test_workers_that_share_out_the_tiles_get_the_bytes_of_one(num_workers):
    fields, labels, models = answered()
    names = ("a", "b", "c")
    edges = [class_edges(labels, scores) for _, scores in models]
    share = np.random.default_rng(1).integers(num_workers, size=len(fields))
    parts = [
        sum_tiles(
            names,
            fields[share == worker],
            labels[share == worker],
            {
                name: Answers(predicted[share == worker], scores[share == worker], of_model)
                for name, (predicted, scores), of_model in zip(("candidate", "production"), models, edges, strict=True)
            },
        )
        for worker in range(num_workers)
    ]
    together = add_sums(parts[::-1])
    alone = sums_of(fields, labels, *models, classes=names)
    assert b"".join(to_lines(together)) == b"".join(to_lines(alone))
    assert together.tiles_sha256 == alone.tiles_sha256


def test_classes_that_are_summed_up_apart_give_the_bytes_of_all_together():
    fields, labels, models = answered()
    alone = sums_of(fields, labels, *models)

    def of_class(c):
        of_models = [(predicted[:, [c]], scores[:, [c]]) for predicted, scores in models]
        return sums_of(fields, labels[:, [c]], *of_models, classes=(alone.classes[c],))

    parts = [of_class(c) for c in range(3)]
    assert b"".join(to_lines(join_classes(parts))) == b"".join(to_lines(alone))
    others = sums_of(fields[:-1], labels[:-1, [0]], *[(guess[:-1, [0]], of[:-1, [0]]) for guess, of in models])
    with pytest.raises(ValueError, match="summed up over other tiles or models"):
        join_classes([parts[0], others])
    with pytest.raises(ValueError, match="there are no classes to join"):
        join_classes([])


def test_sums_that_do_not_belong_together_are_not_added():
    fields, labels, models = answered()
    one, other = sums_of(fields, labels, *models), sums_of(fields, labels, *models[::-1])
    with pytest.raises(ValueError, match="the bins of candidate have other edges"):
        add_sums([one, other])
    with pytest.raises(ValueError, match="cannot be added to sums of classes"):
        add_sums([one, sums_of(fields, labels, models[0])])
    with pytest.raises(ValueError, match="there are no sums"):
        add_sums([])


def test_the_counts_are_read_from_the_lines_as_they_were_written():
    fields, labels, models = answered()
    sums = sums_of(fields, labels, *models)
    lines = list(to_lines(sums))
    classes, counts = counts_from_lines(lines)
    assert classes == sums.classes
    for name, of_model in counts.items():
        for part in ("hits", "predicted", "true"):
            np.testing.assert_array_equal(getattr(of_model, part), getattr(sums.counts(name), part))


def test_damaged_lines_are_refused_or_still_sums():
    fields, labels, models = answered(num_tiles=30)
    text = b"".join(to_lines(sums_of(fields, labels, *models)))
    for damaged in mutations(text, 200, seed=0):
        try:
            counts_from_lines(damaged.splitlines(keepends=True))
        except ValueError as error:
            assert str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row | {"true": [1]}, "another number of classes"),
        (lambda row: row | {"true": [-1, 0, 0]}, "a count is below 0"),
        (lambda row: row | {"true": [2**70, 0, 0]}, "out of range"),
        (lambda row: row | {"models": {}}, "other models than the first line"),
        (lambda row: row | {"field": "zzz"}, "not in order"),
        (lambda row: row | {"true": [0, 0, 0]}, "more hits than tiles predicted or true"),
        (lambda row: row | {"true": [2**40, 0, 0]}, "more hits than tiles predicted or true"),
        (lambda row: row | {"tiles": 0}, "more tiles predicted or true than a field has"),
        (lambda row: row | {"tiles": 10**12 + 1}, "more than 1,000,000,000,000 tiles"),
        (lambda row: row | {"tiles": -1}, "a count is below 0"),
    ],
)
def test_lines_that_contradict_themselves_are_refused(change, message):
    fields, labels, models = answered()
    lines = list(to_lines(sums_of(fields, labels, *models)))
    lines[1] = msgspec.json.encode(change(json.loads(lines[1])))
    with pytest.raises(ValueError, match=message):
        counts_from_lines(lines)


def test_lines_that_name_a_class_twice_are_refused():
    fields, labels, models = answered()
    lines = list(to_lines(sums_of(fields, labels, *models)))
    head = json.loads(lines[0])
    lines[0] = msgspec.json.encode(head | {"classes": [head["classes"][0]] * 3})
    with pytest.raises(ValueError, match="a class is there twice"):
        counts_from_lines(lines)


def test_the_tiles_have_one_name_whatever_the_models_say():
    fields, labels, models = answered()
    named = {sums_of(fields, labels, *chosen).tiles_sha256 for chosen in (models, models[:1], models[::-1])}
    assert len(named) == 1
    assert sums_of(fields, ~labels, *models).tiles_sha256 not in named
    assert sums_of(np.char.add(fields, "x"), labels, *models).tiles_sha256 not in named


def test_the_effects_of_the_fields_sum_up_to_the_difference():
    fields, labels, models = answered()
    sums = sums_of(fields, labels, *models)
    pair = sums.counts("candidate"), sums.counts("production")
    assert macro_effects(*pair).difference == pytest.approx(
        total_macro_f1(pair[0]) - total_macro_f1(pair[1]), abs=1e-12
    )
    assert macro_effects(*pair).weights.sum() == pytest.approx(1)
    for effects, reverse in zip(class_effects(*pair), class_effects(*pair[::-1]), strict=True):
        np.testing.assert_allclose(effects.by_field, -reverse.by_field)  # whoever is named first
