"""The evaluate step: against its model's own forward pass, with one model and two, and what ten million tiles take."""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.pairs import BELOW, PASS, REPORTED, Row, Side, Turn
from bench.run_settings import Setup
from bench.sides import compare

_BACKBONE, _IMAGE_SIZE_PX = "resnet50", 224  # as in real use: decoding two JPEG of 512 px is little beside it
_SPLIT = "test"
_LIMIT_MB, _LIMIT_SECONDS = 1_073.7, 60.0  # 1 GiB


def evaluate_vs_forward(setup: Setup, target: float | None) -> Row:
    """A pass over a split against the model's forward pass on its tiles, decoded and in memory."""
    size = f"{_BACKBONE} at {_IMAGE_SIZE_PX} px"
    return compare(
        "evaluate_vs_forward",
        Side(
            f"a pass of the evaluate step over the {_SPLIT} split with one model, {size}: shards are read and checked, "
            "the model's own process decodes and answers, and columns are written",
            _lazy(lambda: _pass_turn(setup, 1)),
        ),
        Side(f"predict_batch of the same model on the same tiles, decoded and in memory, {size}", _forward(setup)),
        setup,
        target,
    )


def evaluate_two_models_vs_one(setup: Setup, target: float | None) -> Row:
    """A pass with two models against a pass with one; on cores that one model keeps busy, half is all there is."""
    what = f"a pass of the evaluate step over the {_SPLIT} split, {_BACKBONE} at {_IMAGE_SIZE_PX} px, with"
    return compare(
        "evaluate_two_models_vs_one",
        Side(f"{what} two models at the same time", _lazy(lambda: _pass_turn(setup, 2))),
        Side(f"{what} one model", _lazy(lambda: _pass_turn(setup, 1))),
        setup,
        target,
    )


def _lazy(make: Callable[[], Turn]) -> Turn:
    """Returns a turn that is made when it is first taken."""
    made: list[Turn] = []

    def turn() -> float:
        if not made:
            made.append(make())
        return made[0]()

    return turn


def _exported(setup: Setup, folder: Path) -> None:
    from components.records import tfrecords
    from components.train.model.export import Classifier, export
    from components.train.model.model import build_model

    manifest = setup.dataset.manifest
    train = manifest.splits["train"]
    model = build_model(_BACKBONE, _IMAGE_SIZE_PX, len(manifest.classes), train.band_mean, train.band_std)
    ratio = tfrecords.decoder_ratio(list(manifest.tile_sizes), _IMAGE_SIZE_PX)
    export(Classifier(model, manifest.bands, _IMAGE_SIZE_PX, ratio, single_label=False), str(folder), is_chief=True)


def _pass_turn(setup: Setup, num_models: int) -> Turn:
    from components.evaluate.reading.model_column import Asked, logits_of
    from components.evaluate.reading.split_pass import read_split
    from components.progress import StepLog
    from components.saved_model.asking import asked_model
    from components.saved_model.files import digests

    dataset, stack = setup.dataset, contextlib.ExitStack()  # lasts as long as the process
    root = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=setup.folder)))
    _exported(setup, root / "model")
    models = {}
    for number in range(num_models):
        model = stack.enter_context(asked_model(str(root / "model"), digests(str(root / "model"))))
        answer = logits_of(model, len(dataset.manifest.classes))
        models[f"model{number}"] = Asked(f"model {number}", "logits", answer, is_needed=True)

    def turn() -> float:
        with tempfile.TemporaryDirectory(dir=root) as folder:
            start = time.perf_counter()
            tiles = read_split(
                models,
                str(dataset.root),
                dataset.manifest,
                _SPLIT,
                Path(folder),
                StepLog("evaluate"),
                single_label=False,
            )
            return len(tiles) / (time.perf_counter() - start)

    stack.pop_all()
    return turn


def _forward(setup: Setup) -> Turn:
    def make() -> Turn:
        import numpy as np
        import tensorflow as tf

        from components.records import tfrecords
        from components.records.shard_records import records_of

        dataset = setup.dataset
        manifest = dataset.manifest
        with tempfile.TemporaryDirectory(dir=setup.folder) as root:
            _exported(setup, Path(root) / "model")
            model = tf.saved_model.load(str(Path(root) / "model"))
        ratio = tfrecords.decoder_ratio(list(manifest.tile_sizes), _IMAGE_SIZE_PX)
        tiles = [
            tfrecords.decode_image(record.rgb, record.nir, record.valid_mask, manifest.bands, _IMAGE_SIZE_PX, ratio)
            for shard in manifest.splits[_SPLIT].shards
            for record in records_of(str(dataset.root), shard, len(manifest.classes))
        ]
        image, valid = (np.stack(of) for of in zip(*tiles, strict=True))

        def turn() -> float:
            start = time.perf_counter()
            for first in range(0, len(image), setup.batch_size):
                here = slice(first, first + setup.batch_size)
                model.predict_batch(tf.constant(image[here]), tf.constant(valid[here])).numpy()
            return len(image) / (time.perf_counter() - start)

        return turn

    return _lazy(make)


def evaluate_memory(setup: Setup, target: float | None) -> Row:
    """Memory of all that follows a pass with two models over ten million tiles, and the time of exact AP."""
    from bench.memory_stage import run_stage
    from bench.score_stage import SECONDS, write_columns

    setup.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=setup.folder) as folder:
        root = Path(folder)
        write_columns(root, setup.scale_tiles)
        result = run_stage("score", root)
        seconds = json.loads((root / SECONDS).read_text())
        sizes = {path.name: path.stat().st_size for path in root.glob("evaluations/*/*")}
    average_precision = seconds["exact AP"][0]
    ratio = min(_LIMIT_MB / result["own_mb"], _LIMIT_SECONDS / average_precision)
    return Row(
        name="evaluate_memory",
        verdict=REPORTED if target is None else PASS if ratio >= target else BELOW,
        ours=result["own_mb"],
        other=average_precision,
        ratio=ratio,
        unit="MB, s",
        target=target,
        ours_is=f"peak memory of the evaluate step after its pass, {setup.scale_tiles:,} generated tiles, 9 classes, 2 "
        f"models, in its own process, without pages of files; may take {_LIMIT_MB:,.0f} MB",
        other_is=f"exact average precision of the 9 classes; may take {_LIMIT_SECONDS:g} s",
        note=f"peak {result['own_mb']:,.0f} MB, {result['resident_mb']:,.0f} with the pages of columns and program "
        f"files; exact AP {average_precision:.1f} s, everything {result['seconds']:,.0f} s",
        details={**result, "seconds_and_processor_seconds": seconds, "bytes": sizes, "num_tiles": setup.scale_tiles},
    )
