"""The evaluate step: against its model's own forward pass, with one model and two, and what ten million tiles take."""

import contextlib
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.pairs import BELOW, PASS, REPORTED, Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.evaluate.reading.model_column import Answerer, logits_of
from components.evaluate.reading.split_pass import read_split
from components.measuring.turns import Turn
from components.progress import StepLog
from components.records.shard_records import records_of
from components.records.tile_record import Record
from components.saved_model.asking import asked_model
from components.saved_model.files import digests

_BACKBONE, _IMAGE_SIZE_PX = "resnet50", 224  # as in real use: decoding two JPEG of 512 px is little beside it
_SPLIT = "test"
_LIMIT_MB, _LIMIT_SECONDS = 1_073.7, 60.0  # 1 GiB


def evaluate_vs_forward(setup: Setup, target: float | None) -> Row:
    """A pass over a split against the model's forward pass on its tiles, decoded and in memory."""
    size = f"{_BACKBONE} at {_IMAGE_SIZE_PX} px"
    _export(setup)
    return compare(
        "evaluate_vs_forward",
        Side(
            f"a pass of the evaluate step over the {_SPLIT} split with one model, {size}: shards are read and checked, "
            "the model's own process decodes and answers, and columns are written",
            _pass_turn(setup, 1),
        ),
        Side(f"predict_batch of the same model on the same tiles, decoded and in memory, {size}", _forward(setup)),
        setup,
        target,
    )


def evaluate_two_models_vs_one(setup: Setup, target: float | None) -> Row:
    """A pass with two models against a pass with one; on cores that one model keeps busy, half is all there is."""
    what = f"a pass of the evaluate step over the {_SPLIT} split, {_BACKBONE} at {_IMAGE_SIZE_PX} px, with"
    _export(setup)
    return compare(
        "evaluate_two_models_vs_one",
        Side(f"{what} two models at the same time", _pass_turn(setup, 2)),
        Side(f"{what} one model", _pass_turn(setup, 1)),
        setup,
        target,
    )


def _model_dir(setup: Setup) -> Path:
    return setup.folder / f"exported-{_BACKBONE}-{_IMAGE_SIZE_PX}"


def _export(setup: Setup) -> None:
    """Exports the model for both sides, once for a row."""
    if setup.side:
        return
    from components.train.model.export import Classifier, export
    from components.train.model.model import build_model

    shutil.rmtree(_model_dir(setup), ignore_errors=True)
    manifest = setup.dataset.manifest
    train = manifest.splits["train"]
    model = build_model(_BACKBONE, _IMAGE_SIZE_PX, len(manifest.classes), train.band_mean, train.band_std)
    classifier = Classifier(model, manifest.bands, _IMAGE_SIZE_PX, _ratio(setup), single_label=False)
    export(classifier, str(_model_dir(setup)), is_chief=True)


def _ratio(setup: Setup) -> int:
    from components.records import tfrecords

    return int(tfrecords.decoder_ratio(list(setup.dataset.manifest.tile_sizes), _IMAGE_SIZE_PX))


def _records(setup: Setup) -> Iterator[Record]:
    manifest = setup.dataset.manifest
    for shard in manifest.splits[_SPLIT].shards:
        yield from records_of(str(setup.dataset.root), shard, len(manifest.classes))


def _pass_turn(setup: Setup, num_models: int) -> Turn:
    def turn() -> float:
        dataset, uri = setup.dataset, str(_model_dir(setup))
        few = list(itertools.islice(_records(setup), setup.batch_size))
        models = {}
        with contextlib.ExitStack() as stack:
            for number in range(num_models):
                model = stack.enter_context(asked_model(uri, digests(uri)))
                answer = logits_of(model, len(dataset.manifest.classes))
                models[f"model{number}"] = Answerer(f"model {number}", "logits", answer, is_needed=True)
            for asked in models.values():  # loads the model, which is not timed
                asked.answer(few)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=setup.folder))
            options = {"single_label": False}
            start = time.perf_counter()
            tiles = read_split(
                models, str(dataset.root), dataset.manifest, _SPLIT, Path(folder), StepLog("evaluate"), **options
            )
            return len(tiles) / (time.perf_counter() - start)

    return turn


def _forward(setup: Setup) -> Turn:
    made: list[Any] = []  # when the first turn is taken

    def turn() -> float:
        import tensorflow as tf

        from components.records import tfrecords

        if not made:
            bands = setup.dataset.manifest.bands
            tiles = [
                tfrecords.decode_image(each.rgb, each.nir, each.valid_mask, bands, _IMAGE_SIZE_PX, _ratio(setup))
                for each in _records(setup)
            ]
            made.extend(np.stack(of) for of in zip(*tiles, strict=True))
            made.append(tf.saved_model.load(str(_model_dir(setup))))
        image, valid, model = made
        start = time.perf_counter()
        for first in range(0, len(image), setup.batch_size):
            here = slice(first, first + setup.batch_size)
            model.predict_batch(tf.constant(image[here]), tf.constant(valid[here])).numpy()
        return len(image) / (time.perf_counter() - start)

    return turn


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
