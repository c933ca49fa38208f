"""Dense heads with real worker processes, on tiny tiles: they train alike whoever trains them."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pretrained_backbone import save_weights
from train_fixtures import TUNING, another_root, assert_equal, shared_folder, train, write_data

from components.contracts import TrainingReceipt
from components.train import report

EPOCHS = {"epochs": 2, "early_stopping_patience": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "masks", lambda root: write_data(root, label_masks=True))


def maps_of(root: Path, receipt: TrainingReceipt) -> np.ndarray:
    """Returns the maps that the exported model gives of two black tiles."""
    model = tf.saved_model.load(str(root / receipt.model_path))
    black = tf.constant([tf.io.encode_jpeg(np.zeros((48, 48, bands), np.uint8)).numpy() for bands in (3, 1)])
    rgb, nir = (tf.repeat(each, 2) for each in black)
    return model.maps_encoded(rgb, nir, tf.constant([b"", b""])).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("head", "cells"), [("lraspp", 4), pytest.param("cam", 1, marks=pytest.mark.long)])
def test_two_workers_equal_one(data: Path, tmp_path: Path, head: str, cells: int) -> None:
    tuning = {**TUNING, **EPOCHS, "head": head}
    alone, root = train(data, 1, tuning), another_root(data, tmp_path)
    together = train(root, 2, tuning)
    assert_equal(root, together, data, alone, atol=1e-5)
    for row, other in zip(together.history, alone.history, strict=True):
        assert row.val_mean_iou == pytest.approx(other.val_mean_iou, abs=0.01)  # a pixel may lie on the edge
        assert row.val_mean_iou is not None
    maps = maps_of(root, together)
    assert maps.shape == (2, cells, cells, 3)
    np.testing.assert_allclose(maps, maps_of(data, alone), atol=1e-4)


@pytest.mark.long
def test_parameter_servers_train_a_dense_head(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    receipt = train(root, 2, {**TUNING, **EPOCHS, "epochs": 8, "head": "lraspp"}, strategy="parameter_server")
    assert receipt.history[-1].train_loss < 0.9 * receipt.history[0].train_loss
    assert np.isfinite(maps_of(root, receipt)).all()
    assert "and val mean IoU 0." in report.summary_line(receipt)
    report.write_report(receipt, str(tmp_path / "report.html"))
    assert "mean IoU over the pixels of val" in (tmp_path / "report.html").read_text()


@pytest.mark.long
@pytest.mark.parametrize("backbone", ["small", "mobilenet_v2"])
def test_a_dense_head_learns_on_pretrained_weights_frozen_at_first(data: Path, tmp_path: Path, backbone: str) -> None:
    root = another_root(data, tmp_path)
    save_weights(backbone, tmp_path / "published.weights.h5")
    tuning = {**TUNING, **EPOCHS, "epochs": 4, "head": "lraspp", "backbone": backbone}
    tuning |= {"weights": str(tmp_path / "published.weights.h5"), "freeze_epochs": 2, "unfreeze_every_epochs": 1}
    receipt = train(root, 1, {**tuning, "learning_rate": 1e-3})
    losses = [row.train_loss for row in receipt.history]
    assert losses[1] < losses[0], "the head alone learns"
    assert losses[-1] < losses[1], "and then the backbone with it"
    assert all(row.val_mean_iou is not None for row in receipt.history)
    assert np.isfinite(maps_of(root, receipt)).all()
