import pytest

from components.errors import SettingsError
from components.train.config import TrainConfig


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"backbone": "resnet"}', "unknown backbone 'resnet'; expected one of small, MobileNetV2"),
        ('{"label_mode": "softmax"}', "unknown label_mode 'softmax'; expected one of auto"),
        ('{"image_size_px": 31}', "image_size_px must be at least 32 for small, got 31"),
        ('{"image_size_px": 63, "backbone": "NASNetLarge"}', "at least 64 for NASNetLarge, got 63"),
        ('{"epochs": 0}', "epochs must be at least 1, got 0"),
        ('{"epochs": 2.5}', "epochs"),
        ('{"global_batch_size": 0}', "global_batch_size must be at least 1"),
        ('{"learning_rate": 0}', "learning_rate must be above 0"),
        ('{"warmup_fraction": 1}', r"warmup_fraction must be in \[0, 1\)"),
        ('{"weight_decay": -1}', "weight_decay must be at least 0"),
        ('{"seed": -1}', "seed must be at least 0"),
        ('{"lr": 1}', "the keys are backbone, label_mode"),
        ("[]", "train_config"),
        ("epochs=3", "train_config"),
    ],
)
def test_a_bad_value_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TrainConfig.from_json(text)


def test_what_is_not_given_keeps_its_default() -> None:
    assert TrainConfig.from_json('{"epochs": 2}') == TrainConfig(epochs=2)


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_a_batch_that_can_be_divided_is_accepted(num_workers: int) -> None:
    TrainConfig(global_batch_size=8).check_workers(num_workers)


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(SettingsError, match="multiple of train_num_workers=3, got 8"):
        TrainConfig(global_batch_size=8).check_workers(3)
