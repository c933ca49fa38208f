"""What a launcher is given to start, for tests in which no worker comes to train."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec

from components.contracts import Manifest
from components.train.settings.train_settings import TrainSettings
from components.train.settings.worker_spec import WorkerSpec


def spec_in(data_root: Path) -> WorkerSpec:
    """Returns a spec of two workers, and writes its manifest to where merge would."""
    manifest = Manifest(
        layout="paper-2020",
        classes=("water",),
        bands=("red", "green", "blue"),
        seed=0,
        split_origin="official",
        min_class_fraction=0.002,
        tile_sizes={"48x48": 0},
        splits={},
        rejected=(),
    )
    manifest.write(data_root / "manifest.json")
    manifest.write(data_root / "datasets" / manifest.dataset_id / "manifest.json")
    return worker_spec(
        data_root,
        bands=manifest.bands,
        num_workers=2,
        strategy="multi_worker_mirrored",
        stall_seconds=1.0,
    )


def worker_spec(data_root: Path, **settings: Any) -> WorkerSpec:
    """Returns the spec of a single worker for the dataset in `data_root`, but for `settings`."""
    spec = WorkerSpec(
        data_root=str(data_root),
        training_id="0123456789abcdef",
        manifest_uri=str(data_root / "manifest.json"),
        settings=TrainSettings(num_workers=1, strategy="one_device", checkpoint_seconds=0, keep_checkpoints=1),
        label_mode="multi_label",
        bands=("red", "green", "blue", "nir"),
        weights_path="",
        num_replicas=1,
        shares_gpus=False,
        rendezvous="",
        peer_wait_seconds=1.0,
        stall_seconds=600.0,
        num_threads=1,
        follows_launcher=False,
    )
    return changed(spec, **settings)


def changed(spec: WorkerSpec, **changes: Any) -> WorkerSpec:
    """Returns the spec with other values of its fields, or of its settings."""
    names = {field.name for field in dataclasses.fields(TrainSettings)}
    inner = {name: changes.pop(name) for name in names & changes.keys()}
    return msgspec.structs.replace(spec, settings=dataclasses.replace(spec.settings, **inner), **changes)
