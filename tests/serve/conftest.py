"""Two models of one kind under a models URI, made once, and a server of the first."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, colour_dataset, colour_training, put_in_production
from models_here import run_models_here
from serving import Served, images_of, served
from tile_shards import fake_record

from components.evaluate.evaluation import evaluate_training
from components.evaluate.settings import EvaluateSettings
from components.progress import StepLog
from components.records.tile_record import Record
from components.registry import CARD, version_uri
from components.saved_model.asking import asked_model


@dataclasses.dataclass(frozen=True)
class Models:
    """Models under one URI: `first` is in production, `second` is blind for one class. `rgb` is another URI.

    Attributes:
      tiles: Some tiles.
      expected: What a version answers them, by its name: outputs, [N, C] each.
    """

    uri: Path
    rgb_uri: Path
    first: str
    second: str
    tiles: tuple[Record, ...]
    expected: dict[str, dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    root = tmp_path_factory.mktemp("models")
    manifest = colour_dataset(root, num_val=12, num_test=24)
    tiles = tuple(fake_record(3000 + number) for number in range(24))
    uri, versions, expected = root / "models", [], {}
    settings = EvaluateSettings(max_miss_rate=0.3)  # for which these few fields are enough
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        for num_blind in (1, 0):  # the last is the one in production
            receipt = colour_training(root, manifest, f"t{num_blind}", num_blind=num_blind)
            page, log = root / "report.html", StepLog("x")
            evaluated = evaluate_training(str(root), str(root / "n"), manifest, receipt, page, log, settings)
            card = put_in_production(root, receipt, evaluated.evaluation, str(uri), stored_px=48)
            versions.append(card.version)
            with asked_model(version_uri(str(uri), card.version), card.files, beside=(CARD,)) as asked:
                expected[card.version] = asked.ask("masked", images_of(tiles))
        rgb_manifest = msgspec.structs.replace(manifest, bands=BANDS[:3])
        rgb_receipt = colour_training(root, rgb_manifest, "rgb", label_mode="single_label")
        put_in_production(root, rgb_receipt, evaluated.evaluation, str(root / "rgb-models"), stored_px=48)
    return Models(uri, root / "rgb-models", versions[1], versions[0], tiles, expected)


@pytest.fixture(scope="session")
def other_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models URIs of a "dense" head, and of an "earlier" version, which has no signature that answers for places."""
    root, found = tmp_path_factory.mktemp("others"), {}
    manifest = colour_dataset(root, num_val=12, num_test=12, label_masks=True)
    settings = EvaluateSettings(max_miss_rate=0.3)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        receipt = colour_training(root, manifest, "dense", dense=True)
        page, log = root / "report.html", StepLog("x")
        evaluation = evaluate_training(str(root), str(root / "n"), manifest, receipt, page, log, settings).evaluation
        found["dense"] = root / "dense-models"
        put_in_production(root, receipt, evaluation, str(found["dense"]), stored_px=48)
    receipt = colour_training(root, manifest, "tile")
    exported = tf.saved_model.load(str(root / receipt.model_path))
    earlier = tf.Module()
    earlier.all, earlier.logits_encoded = exported, exported.logits_encoded
    tf.saved_model.save(earlier, str(root / "earlier"))
    receipt = msgspec.structs.replace(receipt, model_path="earlier")
    found["earlier"] = root / "earlier-models"
    put_in_production(root, receipt, msgspec.structs.replace(evaluation, dense=None), str(found["earlier"]))
    return found


@pytest.fixture(scope="session")
def server(models: Models) -> Iterator[Served]:
    """A server of the first model, with its defaults but for smaller limits; it is up as long as the tests."""
    options = ["--request-tiles", "24", "--queue-tiles", "32", "--request-mib", "2", "--tile-pixels", "1000000"]
    with served(models.uri / "versions" / models.first, *options) as running:
        yield running
