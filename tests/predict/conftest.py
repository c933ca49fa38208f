"""Models in production that are made once, and files of tiles, good and odd."""

import dataclasses
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from colour_model import BANDS, colour_dataset, colour_training, put_in_production
from hostile_images import header, png
from models_here import models_here, run_models_here
from tile_shards import encode, fake_record

from components.evaluate.evaluation import evaluate_training
from components.evaluate.settings import EvaluateSettings
from components.progress import StepLog

__all__ = ["models_here"]


@dataclasses.dataclass(frozen=True)
class Pushed:
    """The models folders of a model for RGB and NIR with many labels, and of one for RGB with a single label."""

    rgb_nir: Path
    rgb_only: Path
    version: str

    @property
    def version_dir(self) -> Path:
        return self.rgb_nir / "versions" / self.version


@pytest.fixture(scope="session")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    root = tmp_path_factory.mktemp("pushed")
    manifest = colour_dataset(root, num_val=12, num_test=24)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        page = root / "report.html"
        settings = EvaluateSettings(max_miss_rate=0.3)  # for which these few fields are enough
        place, nothing, log = str(root), str(root / "n"), StepLog("x")
        evaluation = evaluate_training(place, nothing, manifest, receipt, page, log, settings).evaluation
    card = put_in_production(root, receipt, evaluation, str(root / "models"))
    rgb_manifest = msgspec.structs.replace(manifest, bands=BANDS[:3])
    rgb_receipt = colour_training(root, rgb_manifest, "rgb", label_mode="single_label")
    put_in_production(root, rgb_receipt, evaluation, str(root / "rgb-models"))
    return Pushed(root / "models", root / "rgb-models", card.version)


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one good tile, `rgb.jpg` and `nir.jpg`, and of files that are odd as their names say."""
    root = tmp_path_factory.mktemp("odd")
    record = fake_record(2001)
    half = np.zeros((48, 48), np.uint8)
    half[:, :24] = 255
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 4), np.uint8)
    contents = {
        "rgb.jpg": record.rgb,
        "nir.jpg": record.nir,
        "other_rgb.jpg": record.rgb,
        "other_nir.jpg": record.nir,
        "boundary.png": encode(half, "PNG"),
        "rest.png": encode(255 - half, "PNG"),
        "black.png": encode(half * 0, "PNG"),
        "grey.png": encode(half // 2 + 3, "PNG"),
        "small.png": encode(half[:24], "PNG"),
        "mask.jpg": encode(half),
        "alpha.png": encode(noise, "PNG"),
        "small_nir.jpg": encode(noise[:24, :, 0]),
        "flat_nir.jpg": encode(np.full((48, 48), 7, np.uint8)),
        "text.png": b"hello",
        "empty.jpg": b"",
        "truncated.jpg": record.rgb[: len(record.rgb) // 2],
        "bomb.png": png(header(20_000, 20_000)),
        "gif.gif": b"GIF89a" + bytes(40),
        "a\x1b[2J\n[bold]\u202e.jpg": b"no image",
        os.fsdecode(b"caf\xe9.jpg"): b"no image",
        "=1+1.jpg": record.rgb,
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
    with (root / "huge.jpg").open("wb") as file:
        file.truncate(70 << 20)
    (root / "to_nothing.jpg").symlink_to("nothing")
    (root / "to_itself.jpg").symlink_to("to_itself.jpg")
    os.mkfifo(root / "pipe.jpg")
    (root / "folder.jpg").mkdir()
    return root
