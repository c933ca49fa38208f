import msgspec
import pytest
from tile_shards import BANDS, fake_dataset, manifest_of

from components.contracts import Manifest
from components.errors import AgrivisionError, DataError, SettingsError
from components.train.settings.config import TrainConfig
from components.train.settings.preflight import check_training, resolve_bands, resolve_image_size, resolve_label_mode

GOOD = {"image_size_px": 32, "global_batch_size": 6}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return fake_dataset(tmp_path_factory.mktemp("data"), num_train=12, num_val=4, size_px=48)


def without_single_labels(manifest: Manifest) -> Manifest:
    splits = {n: msgspec.structs.replace(s, num_single_label=0) for n, s in manifest.splits.items()}
    return msgspec.structs.replace(manifest, splits=splits)


def without_val(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, splits={"train": manifest.splits["train"]})


def scaled_to_40(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, tile_size_px=40, tile_sizes={"40x40": 12, "60x40": 4})


def rgb_only(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, bands=manifest.bands[:3])


def with_masks(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, label_masks=True)


def of_16_classes(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, label_masks=True, classes=tuple(f"class_{c}" for c in range(16)))


def of_class_folders(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, layout="class-folders")


def same(manifest: Manifest) -> Manifest:
    return manifest


@pytest.mark.parametrize(
    ("changes", "num_workers", "change", "error", "message"),
    [
        ({}, 6, same, SettingsError, "at most the number of train shards, 3, got 6"),
        ({"global_batch_size": 14}, 1, same, SettingsError, "at most the number of train tiles, 12, got 14"),
        ({"image_size_px": 49}, 1, same, SettingsError, "at most the side of the largest tile, 48 px, got 49"),
        ({"image_size_px": 41}, 1, scaled_to_40, SettingsError, "size of the stored tiles, 40 px, got 41"),
        ({"label_mode": "single_label"}, 1, without_single_labels, SettingsError, "use multi_label"),
        ({}, 1, without_val, DataError, "the dataset has no val split, only train"),
        (
            {"bands": "rgb_nir"},
            1,
            rgb_only,
            SettingsError,
            '"rgb_nir" needs nir, but the dataset has only red',
        ),
        ({"bands": "rgb_nir_ndvi"}, 1, rgb_only, SettingsError, 'use "rgb" or "auto"'),
        ({"head": "cam"}, 1, same, SettingsError, "head cam learns .*; set shard_label_masks=true, or use head tile"),
        ({"head": "lraspp"}, 1, of_class_folders, SettingsError, "head lraspp .* needs label_mode multi_label, but"),
        ({"head": "lraspp"}, 1, of_16_classes, SettingsError, "at most 15 classes apart, the dataset has 16"),
        ({"weights": "/none/w.keras"}, 1, same, SettingsError, "weights: no such file '/none/w.keras'"),
        # 12 train tiles, but 8 of them with exactly one class
        (
            {"label_mode": "single_label", "global_batch_size": 10},
            1,
            same,
            SettingsError,
            "train tiles, [4-8], got 10",
        ),
    ],
)
def test_what_cannot_work_is_refused(
    manifest: Manifest,
    changes: dict,
    num_workers: int,
    change,
    error: type[AgrivisionError],
    message,
) -> None:
    config = TrainConfig(**{**GOOD, **changes})
    with pytest.raises(error, match=message):
        check_training(config, change(manifest), num_workers)


def test_what_can_work_is_accepted(manifest: Manifest) -> None:
    check_training(TrainConfig(**GOOD), manifest, num_workers=3)
    check_training(TrainConfig(**GOOD), without_single_labels(manifest), num_workers=1)
    check_training(TrainConfig(**GOOD | {"image_size_px": 40}), scaled_to_40(manifest), num_workers=1)
    check_training(TrainConfig(**GOOD, head="cam"), with_masks(manifest), num_workers=1)


@pytest.mark.parametrize(
    ("given", "sizes", "stored", "expected"),
    [
        (0, {"512x512": 9}, 0, 128),
        (0, {"48x48": 9}, 0, 48),
        (0, {"40x60": 1, "32x32": 8}, 0, 60),  # what may be asked for at most
        (0, {"96x96": 9}, 96, 96),
        (0, {"60x40": 9}, 40, 40),
        (64, {"512x512": 9}, 0, 64),
    ],
)
def test_the_model_takes_the_size_of_smaller_tiles_unless_given(
    given: int, sizes: dict, stored: int, expected: int
) -> None:
    manifest = msgspec.structs.replace(manifest_of({}, 48), tile_sizes=sizes, tile_size_px=stored)
    assert resolve_image_size(TrainConfig(image_size_px=given), manifest).image_size_px == expected


def test_tiles_that_are_too_small_for_the_backbone_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"backbone nasnet_large needs tiles of at least 64 px, but .* is 48 px"):
        resolve_image_size(TrainConfig(backbone="nasnet_large"), manifest_of({}, 48))


def test_tiles_whose_side_a_dense_head_cannot_cut_into_cells_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"head cam needs .* multiple of 32, .* is 48 px; set image_size_px"):
        resolve_image_size(TrainConfig(head="cam"), manifest_of({}, 48))
    assert resolve_image_size(TrainConfig(head="cam"), manifest_of({}, 512)).image_size_px == 128


@pytest.mark.parametrize(
    ("label_mode", "layout", "expected"),
    [
        ("auto", "paper-2020", "multi_label"),
        ("auto", "class-folders", "single_label"),
        ("multi_label", "class-folders", "multi_label"),
        ("single_label", "paper-2020", "single_label"),
    ],
)
def test_the_label_mode_follows_the_layout_unless_given(label_mode: str, layout: str, expected: str) -> None:
    assert resolve_label_mode(TrainConfig(label_mode=label_mode), manifest_of({}, 48, layout=layout)) == expected


@pytest.mark.parametrize(
    ("bands", "num_in_dataset", "expected"),
    [("auto", 4, 4), ("auto", 3, 3), ("rgb", 4, 3), ("rgb", 3, 3), ("rgb_nir", 4, 4), ("rgb_nir_ndvi", 4, 4)],
)
def test_the_model_reads_the_bands_that_it_looks_at(bands: str, num_in_dataset: int, expected: int) -> None:
    manifest = manifest_of({}, 48, bands=BANDS[:num_in_dataset])
    assert resolve_bands(TrainConfig(bands=bands), manifest) == BANDS[:expected]
