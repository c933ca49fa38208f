"""What is fair is let through: each factor has arms that it compares, and what follows from it may differ."""

import dataclasses
import math

import numpy as np
import pytest
from study_arms import DATASET, FOLDER, MACHINE, NUM_UPDATES, OTHER, SHARDS, WITNESS, formats, witnessed
from study_arms import with_config as config
from study_arms import with_part as part

from components.study.arms.arm_comparison import ArmComparison
from components.study.arms.deep_difference import deep_differences
from components.study.arms.derived import derived
from components.study.arms.factors import FACTORS
from components.study.arms.recording import WitnessRecorder
from components.study.arms.witness_check import check_witnesses

FAIR = {
    "format": SHARDS,
    "reader": part(FOLDER, "source", reader="python_generator"),
    "num_files": part(FOLDER, "source", num_files=4),
    "compression": part(FOLDER, "source", layout="raw_records"),
    "num_threads": part(FOLDER, "source", num_threads=2),
    "memory_limit": part(FOLDER, "place", memory_limit_bytes=1 << 30),
    "steps_per_call": config(FOLDER, steps_per_call=8),
    "input": part(FOLDER, "source", layout="original_tfrecord", reader="original", num_files=1),
    "stored_size": part(FOLDER, "source", stored_size_px=64),
    "data_size": part(FOLDER, "source", dataset=OTHER, num_tiles=4_800, num_files=4_800),
    "device": part(FOLDER, "place", device="gpu"),
    "xla": part(FOLDER, "place", uses_xla=True),
    "strategy": part(FOLDER, "training", strategy="mirrored"),
    "num_workers": part(part(FOLDER, "training", num_workers=2), "place", num_cores=4),
    "averaging": config(part(FOLDER, "parallelism", kind="averaged", num_averaged=4), global_batch_size=8),
    "averaging_at_best_rate": config(
        part(FOLDER, "parallelism", kind="averaged", num_averaged=4), global_batch_size=8, learning_rate=1e-2
    ),
    "delay": part(FOLDER, "parallelism", kind="delayed", delay=4),
    "delay_at_best_rate": config(part(FOLDER, "parallelism", kind="delayed", delay=4), learning_rate=1e-3),
    "hybrid": part(FOLDER, "parallelism", kind="hybrid"),
    "batch_size_at_equal_epochs": config(FOLDER, global_batch_size=64),
    "batch_size_at_equal_updates": config(FOLDER, global_batch_size=64, epochs=4),
    "learning_rate": config(FOLDER, learning_rate=1e-3),
    "augmentation": config(FOLDER, augment=False),
    "backbone": dataclasses.replace(config(FOLDER, backbone="resnet50"), start_from=OTHER),
    "bands": config(FOLDER, bands="rgb"),
    "epochs": config(FOLDER, epochs=4),
}


@pytest.mark.parametrize("factor", FACTORS)
def test_each_factor_has_arms_that_differ_in_nothing_else(factor):
    first = FOLDER
    if factor == "batch_size_at_equal_updates":  # of which 480 tiles, in batches of 64, have no equal number
        first = part(FOLDER, "source", num_tiles=512)
        other = part(FAIR[factor], "source", num_tiles=512)
    else:
        other = FAIR[factor]

    ArmComparison(name="x", factor=factor, arms=(first, dataclasses.replace(other, name="other")))


def test_linear_scaling_is_a_setting_of_both_arms_and_its_rates_may_differ():
    first = config(FOLDER, reference_batch_size=32)
    other = dataclasses.replace(config(first, global_batch_size=64), name="other")

    ArmComparison(name="x", factor="batch_size_at_equal_epochs", arms=(first, other))
    assert [derived(arm)["peak_learning_rate"] for arm in (first, other)] == [0.003, 0.006]


@pytest.mark.parametrize(
    ("arm", "name", "value"),
    [
        (FOLDER, "num_updates", NUM_UPDATES),
        (dataclasses.replace(FOLDER, num_updates=7), "num_updates", 7),
        (part(FOLDER, "source", num_tiles=495), "num_updates", NUM_UPDATES),  # 15 tiles fill no batch
        (part(FOLDER, "source", num_tiles=495), "num_tiles_read", 960),
        (config(FOLDER, image_size_px=0), "input_size_px", 128),
        (config(part(FOLDER, "source", stored_size_px=96), image_size_px=0), "input_size_px", 96),
        (part(FOLDER, "training", num_workers=2), "tiles_per_worker", 16),
        (config(FOLDER, zoom_range=0.2), "augmentation", ("flips and turns True", "zoom 0.2")),
        (config(FOLDER, precision="bfloat16"), "dtype", "bfloat16"),
    ],
)
def test_what_follows_from_the_settings_is_worked_out(arm, name, value):
    assert derived(arm)[name] == value


@pytest.mark.parametrize(
    ("other", "factor", "planted"),
    [
        (SHARDS, "format", {}),
        # A decoder of its own gives other pixels, so other losses; order, weights and updates are as fair as ever.
        (SHARDS, "format", {"reads_same_pixels": False, "batches": OTHER, "losses": ("nan",) * NUM_UPDATES}),
        # The original's own order is a part of its input.
        (FAIR["input"], "input", {"order": OTHER, "batches": OTHER, "losses": ("0x1p0",) * NUM_UPDATES}),
        # Late gradients give other losses on the very same batches.
        (FAIR["delay"], "delay", {"losses": ("0x1p0",) * NUM_UPDATES}),
    ],
)
def test_witnesses_may_differ_in_what_follows_from_the_factor(other, factor, planted):
    other = dataclasses.replace(other, name="other")
    comparison = ArmComparison(name="x", factor=factor, arms=(FOLDER, other))

    check_witnesses(comparison, {"folder": WITNESS, "other": witnessed(**planted)})


def test_an_arm_that_could_not_run_has_no_witness():
    check_witnesses(formats(), {"folder": WITNESS})
    check_witnesses(formats(), {})


@pytest.mark.parametrize(
    ("one", "other", "paths"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["a[1].b"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ([1, 2], [1], ["[1]"]),
        ((1, 2), [1, 2], []),
        (1, 1.0, []),
        (1, True, [""]),
        ("ab", ["a", "b"], [""]),
        (math.nan, math.nan, [""]),
        (None, 0, [""]),
        (["nothing"], [], ["[0]"]),  # how a message calls what is not there
        ({"a": "nothing"}, {}, ["a"]),
    ],
)
def test_differences_are_found_at_any_depth(one, other, paths):
    assert [path for path, _, _ in deep_differences(one, other)] == paths


def recorded(pixels, labels=(0, 1), tiles=("a", "b"), weights=(1.0, 2.0), loss=0.1):
    recorder = WitnessRecorder(dataset=DATASET, machine=MACHINE, reads_same_pixels=True)
    recorder.add_weights([("kernel", np.array(weights, np.float32))])
    recorder.add_batch(tiles, pixels, np.array(labels))
    recorder.add_loss(loss)
    return recorder.witness()


PIXELS = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def test_the_order_is_the_same_in_batches_of_any_size():
    """Labels count, for arms whose pixels differ have nothing else that shows theirs."""
    halves = WitnessRecorder(dataset=DATASET, machine=MACHINE, reads_same_pixels=True)
    for place, tile in enumerate("ab"):
        halves.add_batch([tile], PIXELS[place : place + 1], np.array([place]))

    assert halves.witness().order == recorded(PIXELS).order


@pytest.mark.parametrize(
    ("planted", "changed"),
    [
        ({}, set()),
        ({"pixels": np.asfortranarray(PIXELS)}, set()),  # lies in another order in memory, and is the same
        ({"pixels": PIXELS[::-1]}, {"batches"}),
        ({"pixels": PIXELS + np.uint8(1)}, {"batches"}),
        ({"pixels": PIXELS.astype(np.float32)}, {"batches", "input_dtype"}),
        ({"pixels": PIXELS.reshape(2, 2, 8, 3)}, {"batches", "input_shape"}),
        ({"labels": (1, 0)}, {"batches", "order"}),
        ({"tiles": ("b", "a")}, {"order"}),
        ({"weights": (1.0, 2.0000002)}, {"initial_weights"}),
        ({"loss": 0.1 + 2**-56}, {"losses"}),
    ],
)
def test_a_witness_sees_each_change_where_it_is(planted, changed):
    usual, other = recorded(PIXELS), recorded(**{"pixels": PIXELS, **planted})

    assert {name for name in usual.__struct_fields__ if getattr(usual, name) != getattr(other, name)} == changed
    assert (usual.num_updates, usual.num_tiles_read) == (1, 2)
    assert (usual.input_shape, usual.input_dtype) == ((4, 4, 3), "uint8")
