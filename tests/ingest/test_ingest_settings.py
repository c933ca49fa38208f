"""Settings that no run can succeed with are refused before anything starts, one line each."""

import subprocess
import sys

import pytest

from components.errors import SettingsError
from components.ingest.settings import IngestSettings


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        (
            "layout",
            "challenge",
            "unknown ingest_layout 'challenge' .*; expected one of auto, paper-2020, challenge-2020",
        ),
        ("layout", "", "unknown ingest_layout ''"),
        ("seed", -1, "ingest_seed must be at least 0 and below 2\\^53, got -1"),
        ("val_percent", 0, "ingest_val_percent must be at least 1, got 0"),
        ("test_percent", -5, "ingest_test_percent must be at least 1, got -5"),
        ("val_percent", 80, "must leave at least 1 percent for training, got 80 and 20"),
        ("num_partitions", 0, "ingest_num_partitions must be at least 1, got 0"),
        ("num_workers", 0, "train_num_workers must be at least 1, got 0"),
        ("shard_size_mb", 0, "shard_size_mb must be at least 1, got 0"),
        ("tile_size_px", -1, "shard_tile_size_px must be 0, which scales no tile, or 32 to 8192, got -1"),
        ("tile_size_px", 31, "shard_tile_size_px must be 0, .* or 32 to 8192, got 31"),
        ("tile_size_px", 8193, "shard_tile_size_px must be 0, .* or 32 to 8192, got 8193"),
        ("min_class_fraction", 1.5, "shard_min_class_fraction must be between 0 and 1, got 1.5"),
        ("min_class_fraction", float("nan"), "shard_min_class_fraction must be between 0 and 1, got nan"),
        ("max_bad_fraction", -0.1, "ingest_max_bad_fraction must be between 0 and 1, got -0.1"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting, value, message):
    with pytest.raises(SettingsError, match=message):
        IngestSettings(**{"num_workers": 2, setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("val_percent", 79), ("min_class_fraction", 0.0), ("max_bad_fraction", 1.0), ("seed", 2**52),
        ("tile_size_px", 0), ("tile_size_px", 32), ("tile_size_px", 8192),
    ],
)  # fmt: skip
def test_the_ends_of_the_ranges_are_accepted(setting, value):
    assert getattr(IngestSettings(**{"num_workers": 2, setting: value}), setting) == value


def test_ingest_starts_without_tensorflow_numpy_kfp_or_the_google_client():
    heavy = {"tensorflow", "numpy", "kfp", "google", "PIL"}
    code = f"import sys, components.ingest.inventory; print({heavy} & {{n.partition('.')[0] for n in sys.modules}})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
