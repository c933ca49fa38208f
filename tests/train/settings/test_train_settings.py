"""What a run says of its training: one home for each setting, one check, one message."""

from typing import Any

import msgspec
import pytest

from components.errors import SettingsError
from components.train.settings.config import PARTS, TrainConfig
from components.train.settings.train_settings import TrainSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_workers": 0}, "train_num_workers must be at least 1, got 0"),
        ({"max_restarts": -1}, "train_max_restarts must be at least 0, got -1"),
        ({"max_seconds": -1}, "train_max_seconds must be at least 0, got -1"),
        ({"checkpoint_seconds": -1}, "train_checkpoint_seconds must be at least 0, got -1"),
        ({"keep_checkpoints": 0}, "train_keep_checkpoints must be at least 1, got 0"),
        ({"keep_checkpoints": 2.0}, r"train_keep_checkpoints must be a whole number, got 2\.0"),
        ({"num_workers": True}, "train_num_workers must be a whole number, got True"),
        ({"strategy": ""}, "unknown train_strategy ''; expected one of auto, "),
        ({"strategy": "horovod"}, "unknown train_strategy 'horovod'; expected one of auto, one_device, "),
        (
            {"config": TrainConfig(global_batch_size=6), "num_workers": 4},
            "global_batch_size must be a multiple of train_num_workers=4, got 6",
        ),
    ],
)
def test_a_training_that_cannot_work_is_refused_by_its_parameter(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TrainSettings(**changes)


def test_settings_reach_the_worker_unchanged() -> None:
    settings = TrainSettings(config=TrainConfig(epochs=3, zoom_range=0.2), keep_checkpoints=5)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=TrainSettings) == settings


def test_equal_numbers_are_equal_settings_however_they_are_written() -> None:
    written = TrainConfig.from_object({"zoom_range": 0, "learning_rate": 1})
    assert msgspec.json.encode(written) == msgspec.json.encode(TrainConfig(zoom_range=0.0, learning_rate=1.0))


def test_no_two_parts_own_the_same_key() -> None:
    owned = [name for part in PARTS for name in part.__annotations__]
    assert len(owned) == len(set(owned))
    assert {"epochs", "global_batch_size", "steps_per_call", "seed", *owned} == set(TrainConfig.keys())
