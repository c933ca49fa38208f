"""Three hundred classes: whether the evaluate step takes its model's forward pass, or much more for its tables."""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from bench.dataset import Dataset, ingest, merge, shard
from bench.pairs import Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.contracts import Manifest, TrainingReceipt
from components.evaluate.evaluation import evaluate_training
from components.evaluate.reading.model_column import logits_of
from components.measuring.turns import Turn
from components.progress import StepLog
from components.records.shard_records import records_of
from components.saved_model.asking import AskedModel, asked_model
from components.saved_model.files import digests

_NUM_CLASSES, _IMAGES_OF_CLASS, _SIZE_PX = 300, 4, 64
_BACKBONE, _IMAGE_SIZE_PX = "resnet50", 224
_ASKED = ("val", "test")


def evaluate_300_classes(setup: Setup, target: float | None) -> Row:
    """All of the evaluate step after its model is loaded, against the model's forward pass on the tiles it asks about.

    Those of val and test, once more some of them with changed images, and those that the report shows with their maps.
    """
    dataset = _dataset(setup)
    size = f"{_BACKBONE} at {_IMAGE_SIZE_PX} px"
    num = sum(dataset.manifest.splits[split].num_tiles for split in _ASKED)
    if not setup.side:
        _export(setup, dataset.manifest)
    return compare(
        "evaluate_300_classes",
        Side(
            f"the evaluate step without loading its model, {num} images of val and test, {_NUM_CLASSES} classes, "
            f"{size}: calibration, scores, intervals, slices, changed images, doubted labels, report; the "
            "answers to changed images and for the maps of the report count too",
            _step_turn(setup, dataset),
        ),
        Side(
            f"predict_batch of the same model on the same images, decoded and in memory, {size}",
            _forward(setup, dataset),
        ),
        setup,
        target,
    )


def _dataset(setup: Setup) -> Dataset:
    """Returns class folders of noise, sharded; makes them once."""
    root = setup.folder / f"classes-{_NUM_CLASSES}"
    source = root / "source"
    if not (root / "manifest.json").exists():
        generator = np.random.default_rng(0)
        for number in range(_NUM_CLASSES):
            folder = source / f"class_{number:03}"
            folder.mkdir(parents=True, exist_ok=True)
            colour = generator.integers(40, 216, 3)
            for image in range(_IMAGES_OF_CLASS):
                pixels = colour + generator.integers(-40, 40, (_SIZE_PX, _SIZE_PX, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03}_{image}.jpg", quality=90)
        inventory = ingest(source, root)
        merge(inventory, shard(inventory, root), root)
    return Dataset(source, root, Manifest.read(str(root / "manifest.json")))


def _model_path() -> str:
    return f"training/{_BACKBONE}/export"


def _export(setup: Setup, manifest: Manifest) -> None:
    """Exports the model for both sides, once for a row."""
    from components.records import tfrecords
    from components.train.model.export import Classifier, export
    from components.train.model.model import build_model

    train, uri = manifest.splits["train"], _dataset(setup).root / _model_path()
    ratio = int(tfrecords.decoder_ratio(list(manifest.tile_sizes), _IMAGE_SIZE_PX))
    model = build_model(_BACKBONE, _IMAGE_SIZE_PX, _NUM_CLASSES, train.band_mean, train.band_std)
    export(Classifier(model, manifest.bands, _IMAGE_SIZE_PX, ratio, single_label=True), str(uri), is_chief=True)


def _receipt(dataset: Dataset) -> TrainingReceipt:
    manifest = dataset.manifest
    return TrainingReceipt(
        training_id="0" * 16,
        manifest_sha256=manifest.sha256,
        model_path=_model_path(),
        files=digests(str(dataset.root / _model_path())),
        classes=manifest.classes,
        bands=manifest.bands,
        label_mode="single_label",
        backbone=_BACKBONE,
        image_size_px=_IMAGE_SIZE_PX,
        num_parameters=0,
        num_workers=1,
        num_restarts=0,
        config={},
        best_epoch=1,
        history=(),
        seconds=1.0,
    )


def _step_turn(setup: Setup, dataset: Dataset) -> Turn:
    def turn() -> float:
        receipt, root = _receipt(dataset), str(dataset.root)
        shards = dataset.manifest.splits["test"].shards
        few = list(itertools.islice(records_of(root, shards[0], _NUM_CLASSES), 1))
        with contextlib.ExitStack() as stack:
            start = time.perf_counter()
            model = stack.enter_context(asked_model(str(dataset.root / _model_path()), receipt.files))
            logits_of(model, _NUM_CLASSES)(few)  # which loads it
            loading = time.perf_counter() - start
        with tempfile.TemporaryDirectory(dir=setup.folder) as folder:
            log, models_uri = StepLog("evaluate"), str(Path(folder) / "models")
            start = time.perf_counter()
            with _counting_answers() as counted:
                evaluate_training(root, models_uri, dataset.manifest, receipt, Path(folder) / "report.html", log)
            return sum(counted) / (time.perf_counter() - start - loading)

    return turn


@contextlib.contextmanager
def _counting_answers() -> Iterator[list[int]]:
    """Yields what becomes the number of tiles of each batch that a model is asked about meanwhile."""
    counted: list[int] = []
    ask = AskedModel.ask

    def counting(model: AskedModel, function: str, images: Mapping[str, Sequence[bytes]]) -> Any:
        counted.append(len(images["rgb"]))
        return ask(model, function, images)

    with mock.patch.object(AskedModel, "ask", counting):
        yield counted


def _forward(setup: Setup, dataset: Dataset) -> Turn:
    def turn() -> float:
        import tensorflow as tf

        from components.records import tfrecords

        manifest = dataset.manifest
        ratio = int(tfrecords.decoder_ratio(list(manifest.tile_sizes), _IMAGE_SIZE_PX))
        tiles = [
            tfrecords.decode_image(each.rgb, each.nir, each.valid_mask, manifest.bands, _IMAGE_SIZE_PX, ratio)
            for split in _ASKED
            for part in manifest.splits[split].shards
            for each in records_of(str(dataset.root), part, _NUM_CLASSES)
        ]
        image, valid = (np.stack(of) for of in zip(*tiles, strict=True))
        model = tf.saved_model.load(str(dataset.root / _model_path()))
        model.predict_batch(tf.constant(image[:1]), tf.constant(valid[:1]))
        start = time.perf_counter()
        for first in range(0, len(image), setup.batch_size):
            here = slice(first, first + setup.batch_size)
            model.predict_batch(tf.constant(image[here]), tf.constant(valid[here])).numpy()
        return len(image) / (time.perf_counter() - start)

    return turn
