"""The training report names what it draws, and shows no zero for what was not measured."""

import math
import re
from pathlib import Path

import msgspec
import pytest

from components.agrivision import CLASS_FOLDERS
from components.contracts import Bottleneck, EpochMetrics, TrainingReceipt
from components.train.report import summary_line, write_report


def epoch(number: int, val_loss: float = 0.5, speed: float = 100.0) -> EpochMetrics:
    return EpochMetrics(
        epoch=number, train_loss=0.4, val_loss=val_loss, val_macro_f1=0.8, learning_rate=0.001, seconds=1.0,
        tiles_per_second=speed, input_wait_share=0.01,
    )  # fmt: skip


def receipt(*history: EpochMetrics, **bottleneck: object) -> TrainingReceipt:
    return TrainingReceipt(
        training_id="t", manifest_sha256="m" * 64, model_path="training/t/export", classes=("a", "b"), bands=("red",),
        label_mode="single_label", backbone="small", image_size_px=32, num_parameters=10, num_workers=1, num_restarts=0,
        config={"epochs": 2}, best_epoch=0, history=history, seconds=2.0, bottleneck=Bottleneck(**bottleneck),
    )  # fmt: skip


def page_of(training: TrainingReceipt, tmp_path: Path, layout: str = "") -> str:
    write_report(training, str(tmp_path / "report.html"), layout)
    return re.sub('data:[^"]*', "", (tmp_path / "report.html").read_text())


def test_a_training_too_short_to_measure_has_no_speed(tmp_path: Path) -> None:
    training = receipt(epoch(0, speed=0.0))
    page = page_of(training, tmp_path)
    assert "Training was too short to measure its speed." in page
    assert "<td>1</td><td>0.400</td><td>0.500</td><td>0.800</td><td>–</td><td>–</td>" in page
    assert "0 tiles/s" not in page
    assert page.count("<figcaption>") == 1
    assert "tiles/s" not in summary_line(training)


def test_a_caption_names_what_is_drawn(tmp_path: Path) -> None:
    page = page_of(receipt(epoch(0), epoch(1), tiles_per_second=100.0, bound_by="unknown"), tmp_path)
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert captions == [
        "Loss, macro F1 on val, learning rate, by epoch. The upright line marks the best epoch.",
        "Tiles per second, by epoch. The upright line marks the best epoch.",  # of input wait nothing is known
    ]


def test_a_dense_head_has_its_mean_iou_in_curve_table_and_sentence(tmp_path: Path) -> None:
    training = receipt(msgspec.structs.replace(epoch(0), val_mean_iou=0.625))
    page = page_of(training, tmp_path)
    assert "Loss, macro F1 on val, mean IoU over the pixels of val, learning rate, by epoch." in page
    assert "<th>val IoU</th>" in page
    assert "<td>0.800</td><td>0.625</td><td>100</td>" in page
    assert "macro F1 of 0.800 and a mean IoU of 0.625; its weights" in page
    assert "val macro-F1 0.800 and val mean IoU 0.625, " in summary_line(training)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_a_number_is_a_dash(tmp_path: Path, value: float) -> None:
    page = page_of(receipt(epoch(0), epoch(1, val_loss=value), tiles_per_second=100.0), tmp_path)
    assert "<td>2</td><td>0.400</td><td>–</td><td>0.800</td><td>100</td><td>1%</td>" in page


def test_class_folders_have_images(tmp_path: Path) -> None:
    page = page_of(receipt(epoch(0), tiles_per_second=100.0, advice="rest"), tmp_path, CLASS_FOLDERS)
    assert "tile" not in page
    assert "<th>images/s</th>" in page
