"""The arms of the formats: what they compare, what they read, and what follows from their times."""

import math
import shutil

import numpy as np
import pytest
from study_findings import MACHINE

from components.errors import SettingsError
from components.records.record_file import read_records
from components.study.experiments.experiment import Bench, Preset
from components.study.experiments.formats import all_experiments
from components.study.experiments.formats.break_even import break_even_epochs
from components.study.experiments.formats.format_arms import FormatArms
from components.study.experiments.formats.turn_details import TurnDetails, median_of, read_turns
from components.study.experiments.prepared_tiles import num_bytes_under, prepare_tiles

SIDE = 64  # the least that is drawn
CI = Preset("ci", rounds=2, seeds=1, num_tiles=60, tile_size_px=SIDE, epochs=2)
LAPTOP = Preset("laptop", rounds=2, seeds=1, num_tiles=60, tile_size_px=SIDE, epochs=2)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return prepare_tiles(tmp_path_factory.mktemp("study"), CI.num_tiles, SIDE)


@pytest.fixture
def arms(tiles):
    return FormatArms(tiles, LAPTOP, MACHINE, SIDE)


def names(comparison):
    return comparison.factor, tuple(arm.name for arm in comparison.arms)


def test_each_comparison_has_one_factor(arms):
    assert names(arms.as_the_original("formats")) == ("input", ("folder", "original", "shards"))
    assert names(arms.as_the_original("formats", strategy="mirrored")) == ("input", ("folder", "original"))
    assert names(arms.same_pixels()) == ("format", ("single_files", "records", "generator", "shards"))
    assert names(arms.partitions()) == ("num_files", ("one_file", "partitioned"))
    assert names(arms.compression()) == ("compression", ("raw", "jpeg"))
    assert names(arms.strategy()) == ("strategy", ("mirrored", "no_strategy"))
    assert names(arms.devices()) == ("device", ("cpu", "gpu"))


def test_the_smallest_preset_leaves_out_what_no_claim_needs(tiles):
    assert names(FormatArms(tiles, CI, MACHINE, SIDE).same_pixels()) == ("format", ("single_files", "records"))


def test_an_arm_says_how_many_files_it_reads(arms, tiles):
    counts = {arm.name: arm.source.num_files for arm in arms.same_pixels().arms}

    assert counts == {"single_files": len(tiles.tiles), "records": 1, "generator": len(tiles.tiles), "shards": 1}
    assert arms.partitions().by_name["partitioned"].source.num_files == 2


def test_every_layout_holds_the_bytes_of_the_same_jpegs(tiles):
    index = tiles.index()
    for tile in tiles.tiles:
        assert (tiles.folder / tile.path).read_bytes() in index.read(tile.record)
        assert tile.path.startswith(f"{tiles.manifest.classes[tile.label]}/")
    assert sorted(tile.record for tile in tiles.tiles) == list(range(len(index)))
    assert num_bytes_under(tiles.folder) == sum((tiles.folder / tile.path).stat().st_size for tile in tiles.tiles)


def test_records_in_several_files_keep_the_order_of_one(tiles):
    (one,) = tiles.record_files("jpeg_records", 1)
    files = [list(read_records(path)) for path in tiles.record_files("jpeg_records", 3)]

    in_turn = [records[row] for row in range(len(files[0])) for records in files if row < len(records)]

    assert in_turn == list(read_records(one))


def test_two_processes_may_make_the_same_files_at_once(tiles, monkeypatch):
    folder = tiles.root / "raw_records-4"
    whole = type(tiles)._records

    def while_another_makes_them(self, *args):
        yield from whole(self, *args)
        folder.mkdir(exist_ok=True)
        (folder / "00000.tfrecord").touch()

    monkeypatch.setattr(type(tiles), "_records", while_another_makes_them)

    assert tiles.record_files("raw_records", 4) == [folder / "00000.tfrecord"]
    assert list(tiles.root.glob(".raw_records-4*")) == []


def test_tiles_are_prepared_once(tiles, monkeypatch):
    def fail(*args, **more):
        raise AssertionError("made again")

    monkeypatch.setattr("components.study.experiments.prepared_tiles.write_dataset", fail)
    monkeypatch.setattr("components.study.experiments.prepared_tiles.shard_tiles", fail)

    assert prepare_tiles(tiles.root.parent, CI.num_tiles, SIDE) == tiles


def an_image(root):
    return next((root / "folder").rglob("*.jpg"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: (root / "order.json").write_bytes(b"["),
        lambda root: (root / "manifest.json").write_bytes(b""),
        lambda root: an_image(root).write_bytes(b""),
        lambda root: an_image(root).unlink(),
        lambda root: shutil.copy(an_image(root), an_image(root).with_name("of-somebody-else.jpg")),
        lambda root: next((root / "shards").rglob("*.tfrecord")).write_bytes(b""),
    ],
    ids=["order", "manifest", "cut image", "lost image", "another image", "shard"],
)
def test_tiles_that_were_damaged_since_are_made_again(tiles, tmp_path, damage):
    """By a machine that lost power, or by hand: an arm would fail at them, or train on others than the other arms."""
    shutil.copytree(tiles.root.parent, tmp_path / "study")
    root = tmp_path / "study" / tiles.root.name
    damage(root)

    again = prepare_tiles(tmp_path / "study", CI.num_tiles, SIDE)

    assert (again.root, again.tiles) == (root, tiles.tiles)
    assert [again.index().read(tile.record) for tile in again.tiles] == [
        tiles.index().read(tile.record) for tile in tiles.tiles
    ]
    assert {path.name: path.read_bytes() for path in again.folder.rglob("*.jpg")} == {
        path.name: path.read_bytes() for path in tiles.folder.rglob("*.jpg")
    }


def test_equal_settings_give_equal_tiles(tiles, tmp_path):
    again = prepare_tiles(tmp_path, CI.num_tiles, SIDE)

    assert again.tiles == tiles.tiles
    assert [(again.folder / tile.path).read_bytes() for tile in again.tiles] == [
        (tiles.folder / tile.path).read_bytes() for tile in tiles.tiles
    ]


ROUNDS = [(10.0, 3.0, 1.0), (10.0, 2.0, 1.0), (10.0, 6.0, 1.0), (10.0, 3.0, 1.0), (10.0, 3.5, 1.0), (10.0, 3.0, 1.0)]


@pytest.mark.parametrize(
    ("rounds", "epochs", "interval"),
    [
        # Saved in each: 2, 1, 5, 2, 2.5, 2 seconds of 10.
        (ROUNDS, 5.0, (2.0, 10.0)),
        (ROUNDS[:5], 5.0, None),  # too few for 95 %
        ([*ROUNDS[:5], (10.0, 1.0, 1.0)], 5.0, (2.0, math.inf)),
        ([(10.0, 1.0, 2.0)] * 6, math.inf, (math.inf, math.inf)),  # it is slower, so it never pays
        ([(0.0001, 3.0, 1.0)] * 6, 0.00005, (0.00005, 0.00005)),
    ],
)
def test_a_conversion_has_paid_when_epochs_have_saved_its_time(rounds, epochs, interval):
    found, ends = break_even_epochs(rounds, 0.05)

    assert found == pytest.approx(epochs)
    assert ends == (None if interval is None else pytest.approx(interval))


def test_the_first_turn_does_not_count(tmp_path):
    path = tmp_path / "arm.turns.jsonl"
    path.write_text("[9.0,0.5,0.0,100]\n[1.0,0.25,2.0,200]\n[3.0,0.75,2.0,300]\n")

    turns = read_turns(path)

    assert turns == [TurnDetails(1.0, 0.25, 2.0, 200), TurnDetails(3.0, 0.75, 2.0, 300)]
    assert median_of(turns, lambda turn: turn.epoch_seconds) == 2.0


@pytest.mark.parametrize("name", ["formats_gpu", "devices"])
def test_without_a_gpu_nothing_is_measured_of_one(name, tmp_path):
    (experiment,) = [found for found in all_experiments.EXPERIMENTS if found.name == name]

    (finding,) = experiment.run(Bench(CI, tmp_path, print, MACHINE))

    assert finding.not_run is not None
    assert finding.not_run.english == "this machine has no GPU"
    assert (finding.table, finding.values, list(tmp_path.iterdir())) == ("", {}, [])


def batches_of(arm, tiles):
    from components.study.experiments.formats.arm_inputs import open_arm_input

    inputs = open_arm_input(arm, tiles, "test")
    scale = np.float32(inputs.scale)
    found = [
        (images.numpy().astype(np.float32) * scale, labels.numpy().astype(np.int64))
        for images, labels in inputs.epoch()
    ]
    return inputs, found


@pytest.mark.slow
def test_all_ways_to_the_same_pixels_give_the_same_batches(arms, tiles):
    _, first = batches_of(arms.same_pixels().arms[0], tiles)
    assert len(first) == len(tiles.tiles) // 16
    others = [*arms.same_pixels().arms[1:], *arms.partitions().arms, *arms.compression().arms, *arms.strategy().arms]
    for arm in others:
        inputs, found = batches_of(arm, tiles)
        assert inputs.reads_same_pixels, arm.name
        assert inputs.tile_ids == tuple(tile.tile_id for tile in tiles.tiles)
        for (images, labels), (pixels, numbers) in zip(found, first, strict=True):
            assert np.array_equal(images, pixels), arm.name
            assert np.array_equal(labels, numbers), arm.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["folder", "original"])
def test_readers_of_others_see_every_tile_once(arms, tiles, name):
    inputs, found = batches_of(arms.as_the_original("formats").by_name[name], tiles)
    pixels = np.concatenate([images for images, _ in found])
    labels = np.concatenate([numbers for _, numbers in found])

    assert not inputs.reads_same_pixels
    assert len(pixels) == 16 * (len(tiles.tiles) // 16)
    assert len({tile.tobytes() for tile in pixels}) == len(pixels)
    assert 0 <= pixels.min() < pixels.max() <= 1
    counts = np.bincount([tile.label for tile in tiles.tiles], minlength=len(tiles.manifest.classes))
    assert (np.bincount(labels, minlength=len(counts)) <= counts).all()


@pytest.mark.slow
def test_a_layout_that_no_reader_reads_is_refused(arms, tiles):
    from components.study.experiments.formats.arm_inputs import open_arm_input

    odd = arms.arm("odd", layout="raw_records", reader="original")
    with pytest.raises(SettingsError, match=r"the arm 'odd' must read one of folder with keras_.*; got raw_records wi"):
        open_arm_input(odd, tiles, "test")
