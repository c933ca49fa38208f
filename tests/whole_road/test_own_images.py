"""Images as people have them go the whole road: real ones, in every format, learnt with the settings of README."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_run import finish, run, summary
from tiff_files import tiff

from components.contracts import Manifest

pytestmark = [pytest.mark.long, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Those of README, and no others.
SETTINGS = {"image_size_px": 32, "augment": False, "epochs": 15}
SIDE = 32


def manifest_of(place: Path) -> Manifest:
    (path,) = (place / "data/datasets").glob("*/manifest.json")
    return Manifest.read(path)


def run_whole(place: Path, source: Path, **settings: object) -> tuple[float, str]:
    """Returns macro F1 and what was printed."""
    done = finish(run(place, source, config=SETTINGS, **settings))
    assert done.returncode == 0, done.stdout + done.stderr
    return summary(place)["metrics"]["macro_f1"], done.stdout + done.stderr


def test_digits_are_learnt_by_the_very_commands_of_the_readme(tmp_path: Path) -> None:
    (code,) = re.findall(r"<<'END'\n(.*?)\n    END\n", README, re.DOTALL)
    assert 'TRAIN_CONFIG=\'{"image_size_px": 32, "augment": false, "epochs": 15}\'' in README
    script = "\n".join(line.removeprefix("    ") for line in code.splitlines())
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    macro_f1, _ = run_whole(tmp_path, tmp_path / "demo/digits")
    assert macro_f1 >= 0.95
    assert manifest_of(tmp_path).num_tiles == 1_797


def windows(name: str) -> list[np.ndarray]:
    """Returns the windows of a photograph of scikit-image that differ, uint8 [32, 32, 3]; they do not overlap."""
    from skimage import data

    photograph = getattr(data, name)()
    photograph = np.repeat(photograph[..., np.newaxis], 3, axis=-1) if photograph.ndim == 2 else photograph
    rows, columns = (range(0, side - SIDE + 1, SIDE) for side in photograph.shape[:2])
    cut = [photograph[row : row + SIDE, column : column + SIDE] for row in rows for column in columns]
    return list({window.tobytes(): window for window in cut}.values())  # a black background looks alike


def write_window(path: Path, pixels: np.ndarray, number: int) -> None:
    """Writes one in one of seven ways, none of which loses anything that counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image, turned = Image.fromarray(pixels), Image.Exif()
    turned[274] = 3
    match number % 7:
        case 0:
            image.save(path.with_suffix(".png"))
        case 1:
            image.save(path.with_suffix(".jpg"), quality=95)
        case 2:
            image.save(path.with_suffix(".tif"), compression="tiff_lzw")
        case 3:
            image.save(path.with_suffix(".webp"), lossless=True)
        case 4:
            path.with_suffix(".tiff").write_bytes(tiff(pixels * np.uint16(257), deflate=True))
        case 5:
            image.rotate(180).save(path.with_suffix(".jpeg"), quality=95, exif=turned)
        case _:
            path.with_suffix(".tif").write_bytes(tiff(np.dstack([pixels, pixels[..., 1]])))


def test_windows_of_photographs_in_seven_formats_are_learnt(tmp_path: Path) -> None:
    for name in ("brick", "grass", "gravel", "coffee", "astronaut"):
        for number, pixels in enumerate(windows(name)):
            write_window(tmp_path / "source" / name / f"{number:03}", pixels, number)
    macro_f1, printed = run_whole(tmp_path, tmp_path / "source")
    assert macro_f1 >= 0.85
    manifest = manifest_of(tmp_path)
    assert (manifest.bands, manifest.num_rejected) == (("red", "green", "blue"), 0)
    assert manifest.max_16_bit == 65_535
    assert "0 rejected" in printed


def test_class_folders_of_four_band_tiffs_train_on_near_infrared(tmp_path: Path) -> None:
    """The two classes differ in near infrared alone, and their files have reflectance from 0 to 10,000."""
    rng = np.random.default_rng(0)
    for number, rgb in enumerate(windows("grass")):
        name = ("soil", "crop")[number % 2]
        nir = np.full((SIDE, SIDE, 1), (2_000, 6_000)[number % 2]) + rng.integers(0, 900, (SIDE, SIDE, 1))
        pixels = np.concatenate([rgb.astype(int) * 30, nir], axis=-1).astype(np.uint16)
        path = tmp_path / f"source/{name}/{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiff(pixels, deflate=True, differences=True, tile=(16, 16), tags={262: 1, 338: (0, 0, 0)}))
    macro_f1, printed = run_whole(tmp_path, tmp_path / "source", shard_max_16_bit=10_000)
    assert macro_f1 >= 0.95
    assert "bands are RGB and near infrared, because soil/0.tif has four (ingest_bands)" in printed
    manifest = manifest_of(tmp_path)
    assert (manifest.bands, manifest.max_16_bit) == (("red", "green", "blue", "nir"), 10_000)
