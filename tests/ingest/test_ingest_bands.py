"""Class folders have near infrared if all their files are TIFFs of four bands, or if they are said to have it."""

import numpy as np
import pytest
from small_source import encoded, noise
from tiff_files import ALPHA, NIR, tiff

from components import storage
from components.agrivision import BANDS, RGB_BANDS
from components.errors import SettingsError
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import StepLog

KINDS = {
    "nir": ("tif", lambda number: tiff(four(number))),
    "16 bits": ("tiff", lambda number: tiff(four(number) * np.uint16(9), extra=NIR)),
    "alpha": ("tif", lambda number: tiff(four(number), extra=ALPHA)),
    "rgb": ("tif", lambda number: tiff(four(number)[..., :3])),
    "damaged": ("tif", lambda number: b"II*\0" + bytes([number])),
    "jpeg": ("jpg", lambda number: encoded(noise(number, 3), "JPEG")),
}
ALPHA_LINE = "a/0.tif calls its fourth band alpha, so it is not used; if it is near infrared: ingest_bands=rgb-nir"


def four(number):
    """Returns pixels of four bands, others for each number: a picture in two classes would be bad."""
    return np.dstack([np.asarray(noise(number, 3)), np.asarray(noise(number + 100, 1))])


def ingested(tmp_path, kinds, **settings):
    for start, name, kind in zip((0, 6), "ab", kinds, strict=True):
        suffix, make = KINDS[kind]
        (tmp_path / "source" / name).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "source" / name / f"{number}.{suffix}").write_bytes(make(start + number))
    return build_inventory(
        str(tmp_path / "source"), str(tmp_path / "data"), IngestSettings(num_workers=1, **settings), StepLog("ingest")
    )


@pytest.mark.parametrize(
    ("kinds", "wanted", "bands", "line"),
    [
        (("nir", "nir"), "auto", BANDS, "bands are RGB and near infrared, because a/0.tif has four (ingest_bands)"),
        (("16 bits", "nir"), "auto", BANDS, "because a/0.tiff has four"),
        (("nir", "jpeg"), "auto", RGB_BANDS, ""),
        (("jpeg", "nir"), "auto", RGB_BANDS, ""),
        (("rgb", "nir"), "auto", RGB_BANDS, ""),
        (("damaged", "nir"), "auto", RGB_BANDS, ""),  # the shard step names it
        (("alpha", "alpha"), "auto", RGB_BANDS, ALPHA_LINE),
        (("alpha", "alpha"), "rgb-nir", BANDS, ""),
        (("nir", "nir"), "rgb", RGB_BANDS, ""),
    ],
)
def test_the_first_file_tells_the_bands_unless_the_setting_does(tmp_path, capsys, kinds, wanted, bands, line):
    inventory = ingested(tmp_path, kinds, bands=wanted)
    assert inventory.bands == bands
    printed = capsys.readouterr().out
    assert line in printed
    assert line or "band" not in printed
    assert inventory.max_16_bit == 65_535


def test_a_release_has_near_infrared_whatever_is_wanted(tmp_path):
    for role in ("images/rgb", "images/nir", "boundaries", "masks", "labels/drydown"):
        for number in range(6):
            path = tmp_path / f"source/train/{role}/F{number}_0-0-64-64.png"
            storage.write_bytes(str(path), b"x")
    settings = IngestSettings(num_workers=1, bands="rgb", layout="supervised-2021")
    with pytest.raises(
        SettingsError,
        match="ingest_bands is rgb, but layout supervised-2021 has RGB and near infrared; train on RGB alone",
    ):
        build_inventory(str(tmp_path / "source"), str(tmp_path / "data"), settings, StepLog("ingest"))


def test_masks_may_be_tiffs(tmp_path):
    for role, suffix in (
        ("images/rgb", "tif"),
        ("images/nir", "tiff"),
        ("boundaries", "tif"),
        ("masks", "png"),
        ("labels/drydown", "tiff"),
    ):
        for number in range(6):
            for split in ("train", "val", "test"):
                path = tmp_path / f"source/{split}/{role}/{split.upper()}{number}_0-0-64-64.{suffix}"
                storage.write_bytes(str(path), b"x")
    inventory = build_inventory(
        str(tmp_path / "source"), str(tmp_path / "data"),
        IngestSettings(num_workers=1, layout="supervised-2021"), StepLog("ingest"),
    )  # fmt: skip
    assert (inventory.num_tiles, inventory.rejected) == (18, ())
