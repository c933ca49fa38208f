"""Thirty and more unfairnesses, planted one at a time: each is refused, and the message names it and both arms."""

import dataclasses
import re

import pytest
from study_arms import FOLDER, MACHINE, OTHER, SHARDS, WITNESS, formats, with_config, with_part, witnessed

from components.errors import SettingsError
from components.study.arms.arm_comparison import ArmComparison
from components.study.arms.witness_check import check_witnesses
from components.study.experiments.learning.learning_arms import table_by_seed

# In the settings of the second arm: what is planted, and what the message says differs.
IN_SETTINGS = [
    (with_part(SHARDS, "source", dataset=OTHER), "source.dataset"),
    (with_part(SHARDS, "source", num_tiles=512), "source.num_tiles: 480 and 512"),  # the original's other split
    (with_part(SHARDS, "source", tile_size_px=256), "source.tile_size_px: 512 and 256"),
    (with_part(SHARDS, "source", stored_size_px=64), "source.stored_size_px: 0 and 64"),
    (with_part(SHARDS, "source", num_threads=2), "source.num_threads: 1 and 2"),
    (with_config(SHARDS, backbone="resnet50"), "training.config.backbone: 'small' and 'resnet50'"),
    (with_config(SHARDS, weights="a.weights.h5"), "training.config.weights: '' and 'a.weights.h5'"),
    (with_config(SHARDS, image_size_px=96), "training.config.image_size_px: 64 and 96"),
    (with_config(SHARDS, bands="rgb"), "training.config.bands: 'auto' and 'rgb'"),
    (with_config(SHARDS, precision="bfloat16"), "training.config.precision: 'float32' and 'bfloat16'"),
    (with_config(SHARDS, augment=False), "training.config.augment: True and False"),  # the original's
    (with_config(SHARDS, zoom_range=0.2), "training.config.zoom_range: 0.0 and 0.2"),  # the original's
    (with_config(SHARDS, global_batch_size=64), "training.config.global_batch_size: 32 and 64"),  # the original's
    (with_config(SHARDS, epochs=4), "training.config.epochs: 2 and 4"),  # the original's two passes an epoch
    (with_config(SHARDS, steps_per_call=8), "training.config.steps_per_call: 0 and 8"),
    (with_config(SHARDS, optimizer="SGD"), "training.config.optimizer: 'AdamW' and 'SGD'"),
    (with_config(SHARDS, learning_rate=1e-3), "training.config.learning_rate: 0.003 and 0.001"),
    (with_config(SHARDS, loss="focal"), "training.config.loss: 'cross_entropy' and 'focal'"),
    (with_config(SHARDS, freeze_epochs=0, ema_decay=0.9), "training.config.ema_decay: 0.0 and 0.9"),
    (with_config(SHARDS, sampling="inverse_frequency"), "training.config.sampling: 'shuffle' and 'inverse_frequency'"),
    (with_config(SHARDS, seed=1), "training.config.seed: 0 and 1"),
    (with_part(SHARDS, "training", num_workers=2), "training.num_workers: 1 and 2"),
    (with_part(SHARDS, "training", strategy="mirrored"), "training.strategy: 'auto' and 'mirrored'"),
    (with_part(SHARDS, "training", checkpoint_seconds=0), "training.checkpoint_seconds: 600 and 0"),
    (with_part(SHARDS, "place", machine=OTHER), "place.machine"),  # the original's P100 and V100
    (with_part(SHARDS, "place", device="gpu"), "place.device: 'cpu' and 'gpu'"),
    (with_part(SHARDS, "place", profile="gke-gpu-l4"), "place.profile: 'cpu' and 'gke-gpu-l4'"),
    (with_part(SHARDS, "place", num_cores=4), "place.num_cores: 2 and 4"),
    (with_part(SHARDS, "place", memory_limit_bytes=1 << 30), "place.memory_limit_bytes: 0 and 1073741824"),
    (with_part(SHARDS, "place", uses_xla=True), "place.uses_xla: False and True"),
    (with_part(SHARDS, "parallelism", kind="delayed", delay=2), "parallelism.kind: 'sequential' and 'delayed'"),
    (dataclasses.replace(SHARDS, start_from=OTHER), "start_from"),  # the original's 50 epochs went on from 10
    (dataclasses.replace(SHARDS, num_updates=10), "num_updates: 0 and 10"),
]

# In what the second arm did.
IN_WITNESSES = [
    ({"dataset": OTHER}, "dataset"),
    ({"machine": OTHER}, "machine"),
    ({"input_shape": (128, 128, 4)}, "input_shape: (64, 64) and (128, 128)"),
    ({"input_shape": (64, 64, 3)}, "input_shape: (64, 64, 4) and (64, 64, 3)"),
    ({"input_dtype": "float32"}, "input_dtype: 'uint8' and 'float32'"),
    ({"num_updates": 29, "losses": WITNESS.losses[:29]}, "num_updates: 30 and 29"),
    ({"losses": WITNESS.losses[:29]}, "the number of losses: 30 and 29"),
    ({"num_tiles_read": 945}, "num_tiles_read: 960 and 945"),  # a batch that is not full
    ({"num_tiles_read": None}, "num_tiles_read: 960 and None"),
    ({"order": OTHER}, "order"),
    ({"initial_weights": OTHER}, "initial_weights"),
    ({"batches": OTHER}, "batches"),
    ({"reads_same_pixels": False}, "reads_same_pixels, with equal batches: True and False"),
    (
        {"losses": (*WITNESS.losses[:6], (1 / 7 + 2**-55).hex(), *WITNESS.losses[7:])},
        "the loss of step 7: '0x1.2492492492492p-3' and '0x1.2492492492493p-3'",  # one bit
    ),
    ({"losses": (*WITNESS.losses[:29], "nan")}, "the loss of step 30: '0x1.1111111111111p-5' and 'nan'"),
]

# By factors that allow some of it: in the settings of two arms, or what follows from them.
BY_FACTOR = [
    # At equal updates, both must have as many.
    (with_config(FOLDER, global_batch_size=64), "batch_size_at_equal_updates", "num_updates: 30 and 14"),
    (with_config(FOLDER, global_batch_size=64, epochs=5), "batch_size_at_equal_updates", "num_updates: 30 and 35"),
    # Epochs are the batch size's only companion there, not the rate.
    (
        with_config(FOLDER, global_batch_size=64, learning_rate=6e-3),
        "batch_size_at_equal_epochs",
        "training.config.learning_rate: 0.003 and 0.006",
    ),
    # One network from published weights, the other from random ones.
    (
        with_config(FOLDER, backbone="resnet50", weights="imagenet"),
        "backbone",
        "training.config.weights: '' and 'imagenet'",
    ),
    # Not declared as part of a factor that looks like it.
    (with_part(FOLDER, "source", reader="agrivision", layout="shards"), "reader", "source.layout"),
    (with_part(FOLDER, "parallelism", kind="delayed", delay=2, num_averaged=2), "delay", "parallelism.num_averaged"),
    (
        with_config(with_part(FOLDER, "parallelism", kind="averaged", num_averaged=4), learning_rate=1e-2),
        "averaging",
        "training.config.learning_rate",
    ),
]


def test_thirty_are_planted():
    assert len(IN_SETTINGS) + len(IN_WITNESSES) + len(BY_FACTOR) >= 30
    assert len({path for _, path in IN_SETTINGS}) == len(IN_SETTINGS) >= 30


@pytest.mark.parametrize(("planted", "named"), IN_SETTINGS, ids=[path.partition(":")[0] for _, path in IN_SETTINGS])
def test_arms_that_differ_in_more_than_the_format_are_refused(planted, named):
    with pytest.raises(
        SettingsError,
        match=rf"^comparison 'formats': the factor is 'format', but the arms 'folder' and 'shards' also differ in "
        rf"{re.escape(named)}.*; make it equal$",
    ):
        formats(planted)


@pytest.mark.parametrize(("planted", "named"), IN_WITNESSES, ids=[named.partition(":")[0] for _, named in IN_WITNESSES])
def test_arms_that_did_something_else_are_refused(planted, named):
    with pytest.raises(
        SettingsError, match=rf"^comparison 'formats': .*'(folder|shards.*)' and 'shards.*' .*{re.escape(named)}"
    ):
        check_witnesses(formats(), {"folder": WITNESS, "shards": witnessed(**planted)})


def test_arms_that_read_the_same_pixels_among_themselves_must_learn_the_same():
    """The first arm reads others; the second and the third use one decoder, and differ in the loss of a step."""
    third = dataclasses.replace(with_part(SHARDS, "source", reader="python_generator"), name="third")
    comparison = ArmComparison(name="x", factor="format", arms=(FOLDER, SHARDS, third))
    other = {"reads_same_pixels": False, "batches": OTHER}
    losses = ("0x1p0", *WITNESS.losses[1:])

    check_witnesses(comparison, {"folder": WITNESS, "shards": witnessed(**other), "third": witnessed(**other)})
    with pytest.raises(SettingsError, match="arms 'shards' and 'third' also differ in the loss of step 1"):
        check_witnesses(
            comparison,
            {"folder": WITNESS, "shards": witnessed(**other), "third": witnessed(**other, losses=losses)},
        )


def test_arms_that_may_read_in_another_order_must_read_as_many_tiles():
    comparison = formats(with_part(SHARDS, "source", reader="original", layout="original_tfrecord"), factor="input")
    other = {"order": OTHER, "batches": OTHER, "reads_same_pixels": False}

    check_witnesses(comparison, {"folder": WITNESS, "shards": witnessed(**other)})
    with pytest.raises(SettingsError, match="also differ in num_tiles_read: 960 and 480"):
        check_witnesses(comparison, {"folder": WITNESS, "shards": witnessed(**other, num_tiles_read=480)})


@pytest.mark.parametrize(("planted", "factor", "named"), BY_FACTOR)
def test_a_factor_excuses_no_more_than_itself(planted, factor, named):
    other = dataclasses.replace(planted, name="other")
    with pytest.raises(SettingsError, match=rf"arms 'folder' and 'other' also differ in {re.escape(named)}"):
        ArmComparison(name="x", factor=factor, arms=(FOLDER, other))


def test_the_first_difference_is_named_of_arms_that_have_many():
    with pytest.raises(SettingsError, match=r"in source\.num_tiles: 480 and 500;"):
        formats(with_config(with_part(SHARDS, "source", num_tiles=500), seed=3))


def test_a_third_arm_is_held_against_the_others_too():
    third = dataclasses.replace(with_part(SHARDS, "source", num_threads=2), name="third")
    with pytest.raises(SettingsError, match=r"arms 'folder' and 'third' also differ in source\.num_threads"):
        ArmComparison(name="x", factor="format", arms=(FOLDER, SHARDS, third))


@pytest.mark.parametrize(
    ("arms", "factor", "message"),
    [
        ((FOLDER,), "format", "comparison 'x' needs at least 2 arms, got 1"),
        ((FOLDER, FOLDER), "format", "two arms have the name 'folder'; give each its own"),
        (
            (FOLDER, dataclasses.replace(FOLDER, name="b")),
            "reader",
            "the arms 'folder' and 'b' do not differ in the factor 'reader'; change source.reader of one of them",
        ),
        (
            (FOLDER, SHARDS),
            "formats",
            r"unknown factor 'formats' \(did you mean 'format'\?\); expected one of format, reader",
        ),
    ],
)
def test_what_compares_nothing_is_refused(arms, factor, message):
    with pytest.raises(SettingsError, match=message):
        ArmComparison(name="x", factor=factor, arms=arms)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dataclasses.replace(FOLDER, name="Folder\n"), r"name of an arm must be .*, got 'Folder\\n'"),
        (
            lambda: with_part(FOLDER, "source", dataset="abc"),
            "source.dataset must be a sha256 .*, got 'abc'",
        ),
        (
            lambda: with_part(FOLDER, "source", reader="dali"),
            "unknown source.reader 'dali'; expected one of agrivision",
        ),
        (lambda: with_part(FOLDER, "source", num_tiles=31), "needs a batch of at most its 31 tiles, got 32"),
        (lambda: with_part(FOLDER, "place", machine=MACHINE[1:]), "place.machine must be a sha256"),
        (lambda: with_part(FOLDER, "place", num_cores=0), "place.num_cores must be at least 1, got 0"),
        (lambda: with_part(FOLDER, "parallelism", delay=-1), "parallelism.delay must be at least 0, got -1"),
        (lambda: dataclasses.replace(FOLDER, start_from="x"), "start_from must be a sha256"),
    ],
)
def test_an_arm_that_cannot_be_is_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


def test_arms_of_every_seed_are_held_against_each_other():
    """Not those of the first alone: of the others, one arm might have had another seed."""
    rounds, fair = [(0.5, 0.6)] * 3, {"folder": WITNESS, "shards": WITNESS}
    unfair = {"folder": WITNESS, "shards": witnessed(initial_weights=OTHER)}

    assert table_by_seed(formats(), "macro F1", rounds, [fair] * 3).witnesses == fair
    with pytest.raises(SettingsError, match="arms 'folder' and 'shards' also differ in initial_weights"):
        table_by_seed(formats(), "macro F1", rounds, [fair, fair, unfair])
    with pytest.raises(ValueError, match="shorter"):
        table_by_seed(formats(), "macro F1", rounds, [fair])
