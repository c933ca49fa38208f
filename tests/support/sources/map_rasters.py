"""GeoTIFFs as tests of maps need them, with a model that can tell their colours apart."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import rasterio
from colour_model import BANDS, colour_dataset, colour_training, put_in_production

from components.contracts import Evaluation
from components.contracts.calibration import Calibration

COLOURS = np.array([(30, 40, 120, 20), (50, 110, 40, 240), (190, 160, 90, 90)])


def scene(height: int, width: int, seed: int = 0, patch_px: int = 96) -> np.ndarray:
    """Returns uint8 [4, height, width]: patches of the colours that the model knows, and grey ones."""
    rng = np.random.default_rng(seed)
    rows, columns = -(-height // patch_px), -(-width // patch_px)
    kinds = rng.integers(0, 4, (rows, columns)).repeat(patch_px, 0).repeat(patch_px, 1)[:height, :width]
    palette = np.concatenate([COLOURS, [(105, 105, 105, 105)]])
    noisy = palette[kinds] + rng.integers(-10, 11, (height, width, 1))
    return np.clip(noisy, 0, 255).astype(np.uint8).transpose(2, 0, 1)


def write_raster(path: Path, bands: np.ndarray, colours: Sequence[str] = (), **options: object) -> Path:
    """Writes bands [B, H, W] as a GeoTIFF with a georeference; `colours` are GDAL's names for the bands."""
    from rasterio.enums import ColorInterp

    profile = {"crs": "EPSG:32615", "transform": rasterio.Affine(0.1, 0, 500_000, 0, -0.1, 4_600_000)} | options
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=bands.dtype, **profile
    ) as file:
        file.colorinterp = [ColorInterp[colour] for colour in colours or ("red", "green", "blue", "undefined")[:count]]
        file.write(bands)
    return path


def pushed_colours(root: Path, label_mode: str = "multi_label", bands: tuple[str, ...] = BANDS, **changes: object):
    """Publishes a model that tells the share of a tile with each of COLOURS; returns its models folder and card."""
    manifest = colour_dataset(root, num_val=3, num_test=3, bands=bands)
    receipt = colour_training(root, manifest, label_mode=label_mode)
    evaluation = msgspec.convert(_EVALUATION, Evaluation)
    evaluation = msgspec.structs.replace(evaluation, calibration=Calibration(slopes=(1.0,) * 3, offsets=(0.0,) * 3))
    return str(root / "models"), put_in_production(root, receipt, evaluation, str(root / "models"), **changes)


_EVALUATION = {
    "training_id": "t1",
    "manifest_sha256": "0" * 64,
    "num_test_tiles": 3,
    "thresholds": (0.5, 0.4, 0.3),
    "candidate": {
        "macro_f1": 0.0, "macro_precision": 0.0, "macro_recall": 0.0, "map": 0.0, "per_class": {},
    },
    "predictions_path": "none",
}  # fmt: skip
