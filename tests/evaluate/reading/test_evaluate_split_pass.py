"""One pass over a split: what is asked, when, and what comes of it, whoever reads which shards."""

import dataclasses
import itertools
import threading
import time

import msgspec
import numpy as np
import pytest
from colour_model import colour_training, put_in_production
from tile_shards import fake_record, manifest_of, write_split

from components.errors import DataError
from components.evaluate import evaluation as evaluation_module
from components.evaluate.evaluation import evaluate_training
from components.evaluate.reading import predictions, split_pass, units
from components.evaluate.reading.model_column import Answerer
from components.evaluate.reading.predictions import join_parts
from components.evaluate.reading.split_pass import Watch, read_split
from components.progress import StepLog
from components.saved_model.asking import CannotAnswer
from components.scoring.field_lines import to_lines
from components.scoring.field_sums import Answers, add_sums, class_edges, sum_units

LOG = StepLog("evaluate")
NUM_SHARDS = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data_root, and a dataset with 7 shards for each split; the field of every fifth test tile is unknown."""
    root = tmp_path_factory.mktemp("data")
    records = [fake_record(2_000 + number) for number in range(60)]
    test = [dataclasses.replace(each, field_id="") if not n % 5 else each for n, each in enumerate(records)]
    val = [fake_record(1_000 + number) for number in range(30)]
    splits = {"val": write_split(root, val, NUM_SHARDS), "test": write_split(root, test, NUM_SHARDS)}
    return root, manifest_of(splits, 48), [test[place] for first in range(NUM_SHARDS) for place in range(first, 60, 7)]


def by_name(records):
    """Answers that depend on the tile alone."""
    return np.array([np.random.default_rng(hash(r.tile_id) % 2**32).random(3) for r in records], np.float32)


def asked(answer=by_name, is_needed=True):
    return Answerer("the candidate" if is_needed else "production", "logits", answer, is_needed)


def read(data, folder, models=None, single_label=False, **options):
    folder.mkdir(exist_ok=True)
    models = models or {"candidate": asked()}
    return read_split(models, str(data[0]), data[1], "test", folder, LOG, single_label=single_label, **options)


def test_a_tile_keeps_its_row_in_every_column(data, tmp_path):
    tiles = read(data, tmp_path, {"candidate": asked(), "production": asked(lambda of: -by_name(of))})
    records = data[2]
    assert [tiles.tile_ids[row] for row in range(60)] == [record.tile_id for record in records]
    assert tiles.field_ids.some(0, 60) == [record.field_id for record in records]
    assert [tiles.units[unit] for unit in tiles.unit_of_tile] == [each.field_id or each.tile_id for each in records]
    np.testing.assert_array_equal(tiles.labels, np.array([record.labels for record in records]) > 0.5)
    np.testing.assert_array_equal(tiles.positions, np.arange(60))
    np.testing.assert_array_equal(tiles.answers["candidate"], by_name(records))
    np.testing.assert_array_equal(tiles.answers["production"], -by_name(records))
    assert tiles.watched.shape == (60, 0)


def test_in_single_label_mode_tiles_with_one_class_are_asked_about_and_no_others(data, tmp_path):
    seen = []

    def answer(records):
        seen.extend(records)
        return by_name(records)

    tiles = read(data, tmp_path, {"candidate": asked(answer)}, single_label=True)
    assert len(tiles) == data[1].splits["test"].num_single_label == len(seen) < 60
    assert (tiles.labels.sum(axis=1) == 1).all()
    assert [tiles.tile_ids[row] for row in range(len(tiles))] == [data[2][at].tile_id for at in tiles.positions]


def test_more_is_measured_in_the_same_pass(data, tmp_path):
    watch = Watch(lambda records: np.array([[len(r.rgb), len(r.nir)] for r in records], np.float32), 2)
    watched = read(data, tmp_path, watch=watch).watched
    np.testing.assert_array_equal(watched, [[len(record.rgb), len(record.nir)] for record in data[2]])

    def fails(records):
        raise DataError("cannot measure")

    with pytest.raises(DataError, match="cannot measure"):
        read(data, tmp_path / "b", watch=Watch(fails, 1))


def test_both_models_answer_at_the_same_time(data, tmp_path):
    together = threading.Barrier(2, timeout=20)

    def answer(records):
        together.wait()  # until the other model is asked, too
        return by_name(records)

    tiles = read(data, tmp_path, {"candidate": asked(answer), "production": asked(answer)})
    np.testing.assert_array_equal(tiles.answers["candidate"], tiles.answers["production"])


def test_shards_are_read_while_models_answer_and_only_a_few_batches_ahead(data, tmp_path, monkeypatch):
    read_shards, begun, go_on = [], threading.Event(), threading.Event()
    original = split_pass.records_of

    def records_of(data_root, shard, num_classes):
        read_shards.append(shard)
        return original(data_root, shard, num_classes)

    def answer(records):
        begun.set()
        assert go_on.wait(20)
        return by_name(records)

    monkeypatch.setattr(split_pass, "records_of", records_of)
    thread = threading.Thread(target=lambda: read(data, tmp_path, {"candidate": asked(answer)}))
    thread.start()
    assert begun.wait(20)
    deadline = time.monotonic() + 20
    while len(read_shards) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert len(read_shards) == 4  # one in work, two that wait, and one in the reader's hand
    go_on.set()
    thread.join()
    assert len(read_shards) == NUM_SHARDS


@pytest.mark.parametrize(
    ("wrong", "note"),
    [
        (lambda records: (_ for _ in ()).throw(DataError("breaks down")), "breaks down"),
        (lambda records: np.full((len(records), 3), np.nan, np.float32), "got NaN or infinity for 60 of 60 test tiles"),
    ],
)
def test_production_that_fails_is_a_note_and_a_candidate_that_fails_an_error(data, tmp_path, wrong, note):
    tiles = read(data, tmp_path / "a", {"candidate": asked(), "production": asked(wrong, is_needed=False)})
    assert set(tiles.answers) == {"candidate"}
    assert note in tiles.notes["production"]
    np.testing.assert_array_equal(tiles.answers["candidate"], by_name(data[2]))
    with pytest.raises(DataError, match=note):
        read(data, tmp_path / "b", {"candidate": asked(wrong)})


def test_a_tile_that_a_model_refuses_is_named(data, tmp_path):
    refused = data[2][11].tile_id

    def answer(records):
        if any(record.tile_id == refused for record in records):
            raise CannotAnswer("no JPEG")
        return by_name(records)

    asked_after = []

    def counted(records):
        asked_after.append(records)
        return answer(records)

    tiles = read(data, tmp_path / "a", {"candidate": asked(), "production": asked(counted, is_needed=False)})
    assert f"production cannot answer the test tile {refused!r} of shard" in tiles.notes["production"]
    # The batch with that tile, then its tiles one by one up to it; after that none.
    assert refused in [record.tile_id for record in asked_after[-1]]
    with pytest.raises(DataError, match=f"the candidate cannot answer the test tile {refused!r} of shard"):
        read(data, tmp_path / "b", {"candidate": asked(answer)})


def test_a_defect_is_not_a_note(data, tmp_path):
    def broken(records):
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        read(data, tmp_path, {"candidate": asked(), "production": asked(broken, is_needed=False)})


def test_a_name_that_would_widen_every_other_is_refused(tmp_path):
    records = [dataclasses.replace(fake_record(0), tile_id="x" * 1_000_000), fake_record(1)]
    manifest = manifest_of({"test": write_split(tmp_path, records, 1)}, 48)
    with pytest.raises(DataError, match=r"tile 'x{40}'… has a name of 1,000,000 characters, at most 1,024 are read"):
        read((tmp_path, manifest), tmp_path / "columns")


def in_parts(num_parts):
    bounds = [NUM_SHARDS * part // num_parts for part in range(num_parts + 1)]
    return [range(first, end) for first, end in itertools.pairwise(bounds)]


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7])
@pytest.mark.parametrize("single_label", [False, True])
def test_workers_that_share_out_the_shards_find_what_one_finds(data, tmp_path, num_parts, single_label):
    models = {"candidate": asked(), "production": asked(lambda records: 1 - by_name(records))}
    whole = read(data, tmp_path / "whole", models, single_label)
    parts = [
        read(data, tmp_path / f"part{number}", models, single_label, shards=shards)
        for number, shards in enumerate(in_parts(num_parts))
    ]
    (tmp_path / "joined").mkdir()
    joined = join_parts(parts, tmp_path / "joined")
    assert joined.units == whole.units
    for one, other in ((joined.tile_ids, whole.tile_ids), (joined.field_ids, whole.field_ids)):
        assert one.some(0, 60) == other.some(0, 60)
    for name in ("labels", "positions", "unit_of_tile"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    for name in models:
        np.testing.assert_array_equal(joined.answers[name], whole.answers[name])

    # The edges follow from all parts together; with them, each part is summed up alone.
    edges = {name: class_edges(joined.labels, scores) for name, scores in joined.answers.items()}
    sums = [
        sum_units(
            data[1].classes,
            part.units,
            part.unit_of_tile,
            part.labels,
            {name: Answers(scores > 0.5, scores, edges[name]) for name, scores in part.answers.items()},
        )
        for part in (whole, *parts)
    ]
    assert b"".join(to_lines(add_sums(sums[1:]))) == b"".join(to_lines(sums[0]))


def test_many_units_are_grouped_alike_whoever_reads_which_shards(data, tmp_path, monkeypatch):
    few = 20  # fewer than the test split has, and more than one shard
    monkeypatch.setattr(predictions, "MOST_UNITS", few)
    monkeypatch.setattr(predictions, "group_of", lambda unit: units.group_of(unit, few))
    monkeypatch.setattr(split_pass, "UnitNumbers", lambda: units.UnitNumbers(few))
    monkeypatch.setattr(split_pass, "group_names", lambda: units.group_names(few))
    whole = read(data, tmp_path / "whole")
    assert whole.are_groups
    parts = [read(data, tmp_path / f"p{n}", shards=of) for n, of in enumerate([range(1), range(1, 7)])]
    assert [part.are_groups for part in parts] == [False, True]
    (tmp_path / "joined").mkdir()
    joined = join_parts(parts, tmp_path / "joined")
    assert (joined.units, joined.are_groups) == (whole.units, True)
    np.testing.assert_array_equal(joined.unit_of_tile, whole.unit_of_tile)


@pytest.mark.long
@pytest.mark.usefixtures("models_here")
def test_the_evaluation_of_several_workers_has_the_bytes_of_one(data, tmp_path, monkeypatch):
    root, manifest, _ = data
    poor, good = colour_training(root, manifest, "poor", num_blind=1), colour_training(root, manifest, "good")
    first = evaluate_training(str(root), str(tmp_path / "none"), manifest, poor, tmp_path / "r.html", LOG)
    put_in_production(root, poor, first.evaluation, str(tmp_path / "models"))

    def evaluated():
        outcome = evaluate_training(str(root), str(tmp_path / "models"), manifest, good, tmp_path / "r.html", LOG)
        document = outcome.evaluation
        kept = [(root / path).read_bytes() for path in (document.fields_path, document.predictions_path)]
        return document.to_json(), kept, (tmp_path / "r.html").read_bytes()

    alone = evaluated()
    assert b'"production":{' in alone[0].replace(b" ", b"").replace(b"\n", b"")
    for num_parts in (2, 3, 7):

        def read_by_several(models, data_root, manifest, split, folder, log, num_parts=num_parts, **options):
            parts = []
            for number, shards in enumerate(in_parts(num_parts)):
                (folder / str(number)).mkdir()
                parts.append(
                    read_split(models, data_root, manifest, split, folder / str(number), log, shards=shards, **options)
                )
            return join_parts(parts, folder)

        monkeypatch.setattr(evaluation_module, "read_split", read_by_several)
        assert evaluated() == alone


def test_shards_that_are_not_those_of_the_manifest_are_refused(data, tmp_path):
    root, manifest, _ = data
    test = manifest.splits["test"]

    def with_first(**changes):
        first = msgspec.structs.replace(test.shards[0], **changes)
        split = msgspec.structs.replace(test, shards=(first, *test.shards[1:]))
        return root, msgspec.structs.replace(manifest, splits={"test": split})

    with pytest.raises(DataError, match="must have 7 bytes"):
        read(with_first(num_bytes=7), tmp_path)
    with pytest.raises(DataError, match="must hold 10 tiles, got 9"):
        read(with_first(num_tiles=10), tmp_path / "more")
    with pytest.raises(DataError, match="must hold 8 tiles, got 9"):
        read(with_first(num_tiles=8), tmp_path / "fewer")
