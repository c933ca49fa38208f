"""What the rows of maps need: a generated GeoTIFF of any size, and a pushed model of random weights."""

from pathlib import Path

import numpy as np

from components.agrivision import PAPER_2020_CLASSES
from components.contracts import ModelCard, Scores

BANDS = ("red", "green", "blue", "nir")
_MOMENTS = (0.4, 0.4, 0.4, 0.5), (0.2, 0.2, 0.2, 0.2)
_NOISE_ROWS = 512  # of texture, which is repeated


def write_raster(path: Path, side_px: int) -> Path:
    """Writes a square GeoTIFF of four bands of 8 bits in tiles of 512 px, not compressed, unless it is there."""
    import rasterio
    from rasterio.enums import ColorInterp
    from rasterio.windows import Window

    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished.tif")
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (4, _NOISE_ROWS, side_px), np.uint8)
    place = rasterio.Affine(0.1, 0, 500_000, 0, -0.1, 4_600_000)
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "crs": "EPSG:32615", "transform": place}
    with rasterio.open(
        unfinished, "w", driver="GTiff", width=side_px, height=side_px, count=4, dtype="uint8", **options
    ) as file:
        file.colorinterp = [ColorInterp[name] for name in ("red", "green", "blue", "undefined")]
        for row in range(0, side_px, _NOISE_ROWS):
            count = min(_NOISE_ROWS, side_px - row)
            # Each band of rows is another one, so that nobody has read it before.
            file.write(np.roll(texture, row // _NOISE_ROWS, axis=2)[:, :count], window=Window(0, row, side_px, count))
    unfinished.rename(path)
    return path


def push_random_model(folder: Path, backbone: str, image_size_px: int, head: str = "tile") -> str:
    """Publishes a model as push does, but for its checks; returns the folder of its version."""
    import msgspec

    from components.push.serving import save_serving_model
    from components.registry import CARD
    from components.saved_model.files import digests
    from components.train.model.export import Classifier, export
    from components.train.model.model import build_model

    version = f"{backbone}-{image_size_px}-{head}"
    target = folder / version
    if (target / CARD).exists():
        return str(target)
    classes = PAPER_2020_CLASSES
    network = build_model(backbone, image_size_px, len(classes), *_MOMENTS, head=head)
    exported = folder / f"exported-{version}"
    export(Classifier(network, BANDS, image_size_px, 1, single_label=False), str(exported), is_chief=True)
    card = ModelCard(
        version=version,
        training_id=version,
        manifest_sha256="0" * 64,
        backbone=backbone,
        label_mode="multi_label",
        classes=classes,
        bands=BANDS,
        image_size_px=image_size_px,
        thresholds=(0.5,) * len(classes),
        config={"head": head},
        scores=Scores(macro_f1=0.0, macro_precision=0.0, macro_recall=0.0, map=0.0, per_class={}),
        num_test_tiles=0,
        usage={},
    )
    save_serving_model(exported, card, target)
    msgspec.structs.replace(card, files=digests(str(target))).write(target / CARD)
    return str(target)
