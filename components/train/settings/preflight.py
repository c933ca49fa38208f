"""Checks before any process starts: rejects settings that do not fit the dataset."""

import dataclasses

from components import storage
from components.agrivision import BANDS, CLASS_FOLDERS, RGB_BANDS
from components.contracts import Manifest, SplitSummary
from components.errors import DataError, SettingsError
from components.train.settings.backbones import BACKBONES
from components.train.settings.config import TrainConfig
from components.train.settings.tuning.network import DENSE_MULTIPLE_PX, IMAGENET_WEIGHTS, USUAL_IMAGE_SIZE_PX

MOST_DENSE_CLASSES = 15  # with background, the classes of a pixel are bits of 16 (components/scoring/overlap_iou.py)


def resolve_label_mode(config: TrainConfig, manifest: Manifest) -> str:
    """Returns "multi_label" or "single_label"."""
    if config.label_mode != "auto":
        return config.label_mode
    return "single_label" if manifest.layout == CLASS_FOLDERS else "multi_label"


def resolve_bands(config: TrainConfig, manifest: Manifest) -> tuple[str, ...]:
    """Returns the dataset's bands that the model reads; NDVI is computed from them and not listed."""
    return {"auto": manifest.bands, "rgb": RGB_BANDS}.get(config.bands, BANDS)


def check_training(config: TrainConfig, manifest: Manifest, num_workers: int) -> None:
    """Rejects a training that cannot succeed with this dataset.

    Raises:
      SettingsError: If a setting does not fit the dataset; names it, the expected value and the actual one.
      DataError: If the dataset has no train or no val split.
    """
    for split in ("train", "val"):
        if split not in manifest.splits:
            raise DataError(f"the dataset has no {split} split, only {', '.join(sorted(manifest.splits))}")
    train, val = manifest.splits["train"], manifest.splits["val"]
    if num_workers > len(train.shards):
        raise SettingsError(
            f"train_num_workers must be at most the number of train shards, {len(train.shards)}, got {num_workers}; "
            "or make more shards with a smaller shard_size_mb"
        )
    single_label = resolve_label_mode(config, manifest) == "single_label"
    for name, summary in (("train", train), ("val", val)):
        if not _num_usable(summary, single_label):
            raise SettingsError(
                f"label_mode single_label needs tiles with exactly one class, but the {name} split has none; "
                "use multi_label"
                if single_label
                else f"the {name} split has no tiles"
            )
    if missing := [band for band in resolve_bands(config, manifest) if band not in manifest.bands]:
        raise SettingsError(
            f'bands "{config.bands}" needs {", ".join(missing)}, but the dataset has only {", ".join(manifest.bands)}; '
            'use "rgb" or "auto"'
        )
    if config.is_dense:
        _check_dense(config, manifest, single_label)
    if config.weights not in ("", IMAGENET_WEIGHTS) and not storage.exists(config.weights):
        raise SettingsError(f"weights: no such file {config.weights!r}")
    num_train = _num_usable(train, single_label)
    if config.global_batch_size > num_train:
        raise SettingsError(
            f"global_batch_size must be at most the number of train tiles, {num_train}, got {config.global_batch_size}"
        )
    if 0 < manifest.tile_size_px < config.image_size_px:
        raise SettingsError(
            f"image_size_px, a key of train_config, must be at most the size of the stored tiles, "
            f"{manifest.tile_size_px} px, got {config.image_size_px}; or store tiles with a larger shard_tile_size_px, "
            "or 0 for their original size"
        )
    if config.image_size_px > (largest := _largest_side(manifest)):
        raise SettingsError(
            f"image_size_px, a key of train_config, must be at most the side of the largest tile, {largest} px, got "
            f"{config.image_size_px}; leave it out to take the size of the tiles"
        )


def resolve_image_size(config: TrainConfig, manifest: Manifest) -> TrainConfig:
    """Returns the tuning with a size of the model's input that is not 0.

    Raises:
      SettingsError: If the tiles are smaller than what the backbone can take.
    """
    if config.image_size_px:
        return config
    size_px = min(USUAL_IMAGE_SIZE_PX, manifest.tile_size_px or USUAL_IMAGE_SIZE_PX, _largest_side(manifest))
    if size_px < (smallest := BACKBONES[config.backbone].smallest_px):
        raise SettingsError(
            f"backbone {config.backbone} needs tiles of at least {smallest} px, but the largest side of a stored tile "
            f"is {size_px} px; choose another backbone"
        )
    if config.is_dense and size_px % DENSE_MULTIPLE_PX:
        raise SettingsError(
            f"head {config.head} needs an image_size_px that is a multiple of {DENSE_MULTIPLE_PX}, but the side of the "
            f"tiles, which it is if left out, is {size_px} px; set image_size_px"
        )
    return dataclasses.replace(config, image_size_px=size_px)


def _check_dense(config: TrainConfig, manifest: Manifest, single_label: bool) -> None:
    if single_label:
        raise SettingsError(
            f"head {config.head} answers by pixel and needs label_mode multi_label, but this dataset is trained with "
            "single_label; use head tile"
        )
    if not manifest.label_masks:
        raise SettingsError(
            f"head {config.head} learns from the pixels of each class, which this dataset does not hold; set "
            "shard_label_masks=true, or use head tile"
        )
    if (num_classes := len(manifest.classes)) > MOST_DENSE_CLASSES:
        raise SettingsError(
            f"head {config.head} can tell at most {MOST_DENSE_CLASSES} classes apart, the dataset has {num_classes}; "
            "leave some out with ingest_classes, or use head tile"
        )


def _largest_side(manifest: Manifest) -> int:
    return max((int(side) for size in manifest.tile_sizes for side in size.split("x")), default=0)


def _num_usable(split: SplitSummary, single_label: bool) -> int:
    return split.num_single_label if single_label else split.num_tiles
