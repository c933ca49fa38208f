import json

import pytest

from components.errors import SettingsError
from components.train.settings.config import TrainConfig


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"backbone": "resnet"}', "unknown train_backbone 'resnet'.*; expected one of small, mobilenet, mobilenet_v2"),
        ('{"label_mode": "softmax"}', "unknown label_mode 'softmax'; expected one of auto"),
        ('{"image_size_px": 31}', "image_size_px must be at least 32 for small, got 31"),
        ('{"image_size_px": 63, "backbone": "nasnet_large"}', "at least 64 for nasnet_large, got 63"),
        ('{"bands": "nir"}', "unknown bands 'nir'; expected one of auto, rgb, rgb_nir, rgb_nir_ndvi"),
        (
            '{"weights": "imagenet"}',
            "there are no published imagenet weights for small, only for mobilenet, mobilenet_v2",
        ),
        ('{"weights": "w.pth"}', 'weights must be "", "imagenet" or a file that ends in .weights.h5, .keras, .h5, got'),
        ('{"freeze_epochs": -1}', "freeze_epochs must be at least 0, got -1"),
        ('{"freeze_epochs": 1}', "freeze_epochs=1 would freeze random weights; give weights, or set it to 0"),
        ('{"unfreeze_every_epochs": 2}', "unfreeze_every_epochs=2 would freeze random weights"),
        ('{"backbone_learning_rate_factor": 0}', "backbone_learning_rate_factor must be above 0, got 0"),
        ('{"head": "unet"}', "unknown head 'unet'; expected one of tile, cam, lraspp"),
        ('{"head": "cam", "label_mode": "single_label"}', "head cam needs label_mode multi_label, got single_label"),
        ('{"head": "lraspp", "image_size_px": 72}', "must be a multiple of 32 for head lraspp, got 72"),
        ('{"dense_loss_weight": -1}', "dense_loss_weight must be at least 0, got -1"),
        ('{"epochs": 0}', "epochs must be at least 1, got 0"),
        ('{"epochs": 2.5}', "epochs must be a whole number, got 2.5"),
        ('{"global_batch_size": 0}', "global_batch_size must be at least 1"),
        ('{"learning_rate": 0}', "learning_rate must be above 0"),
        ('{"warmup_fraction": 1}', "warmup_fraction must be at least 0 and below 1, got 1"),
        ('{"weight_decay": -1}', "weight_decay must be at least 0"),
        ('{"seed": -1}', "seed must be at least 0"),
        ('{"seed": 4294967296}', r"seed must be at least 0 and below 2\^32, got 4294967296"),
        ('{"image_size_px": -1}', "image_size_px must be at least 0, got -1"),
        (
            '{"weights": "file://elsewhere/w.h5"}',
            "cannot read or write 'file://elsewhere/w.h5'; expected file:///<path>",
        ),
        ('{"lr": 1}', "train_config: unknown key 'lr'; the keys are backbone, .*label_mode, "),
        ('{"epoch": 1}', r"train_config: unknown key 'epoch' \(did you mean 'epochs'\?\); the keys are backbone, "),
        ('{"loss": "hinge"}', "unknown loss 'hinge'; expected one of cross_entropy, focal"),
        ('{"class_weighting": "big"}', "unknown class_weighting 'big'; expected one of square_root, effective_number"),
        ('{"sampling": "fair"}', "unknown sampling 'fair'; expected one of shuffle, inverse_frequency"),
        ('{"optimizer": "Lion"}', "unknown optimizer 'Lion'; expected one of AdamW, SGD"),
        (
            '{"schedule": "linear"}',
            "unknown schedule 'linear'; expected one of cosine, constant, step, polynomial, one_c",
        ),
        ('{"precision": "int8"}', "unknown precision 'int8'; expected one of float32, bfloat16, float16"),
        ('{"label_smoothing": 1}', "label_smoothing must be at least 0 and below 1, got 1"),
        ('{"focal_alpha": 1.5}', "focal_alpha must be between 0 and 1, got 1.5"),
        ('{"focal_gamma": -1}', "focal_gamma must be at least 0, got -1"),
        ('{"zoom_range": 1}', "zoom_range must be at least 0 and below 1, got 1"),
        ('{"shear_degrees": 60}', "shear_degrees must be between 0 and 45, got 60"),
        ('{"ema_decay": 1}', "ema_decay must be at least 0 and below 1"),
        ('{"clip_norm": -0.5}', "clip_norm must be at least 0, got -0.5"),
        ('{"steps_per_call": -1}', "steps_per_call must be at least 0, got -1"),
        ('{"step_decay_fraction": 0}', "step_decay_fraction must be above 0 and at most 1, got 0"),
        ('{"early_stopping_patience": -1}', "early_stopping_patience must be at least 0, got -1"),
    ],
)
def test_a_bad_value_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TrainConfig.from_object(json.loads(text))


def test_what_is_not_given_keeps_its_default() -> None:
    assert TrainConfig.from_object({"epochs": 2}) == TrainConfig(epochs=2)


def test_a_key_of_the_object_overrides_the_parameter_of_its_own() -> None:
    config = TrainConfig.from_object({"epochs": 2.0}, train_epochs=5, train_backbone="mobilenet")  # as Kubeflow has 2

    assert config == TrainConfig(epochs=2, backbone="mobilenet")
    assert type(config.epochs) is int


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_a_batch_that_can_be_divided_is_accepted(num_workers: int) -> None:
    TrainConfig(global_batch_size=8).check_workers(num_workers)


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(SettingsError, match="multiple of train_num_workers=3, got 8"):
        TrainConfig(global_batch_size=8).check_workers(3)
