"""A tile is decoded once, as the model's own decoder would do it, or left to the model; the answers are the same."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import colour_dataset, colour_training, put_in_production
from hostile_images import header, png
from model_cards import card_of
from models_here import run_models_here
from PIL import Image
from serving import NAME, images_of, outputs_of, post, served
from tile_shards import BANDS, encode, fake_record

from components.contracts import ServedWindow
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.records import tfrecords
from components.records.tile_pixels import TilePixels
from components.records.tile_record import Record
from components.registry import CARD, version_uri
from components.saved_model.asking import asked_model
from components.serve.decoding import COUNTED_OF, Decoding, is_counted_tile
from components.serve.refusal import Refusal

TILE = fake_record(1)
FILES = {"rgb": TILE.rgb, "nir": TILE.nir, "valid_mask": TILE.valid_mask}
COLOUR_16_BIT = png(header(48, 48, 2, 16))


def decoding_of(size_px, stored_px=msgspec.UNSET, bands=BANDS, gives_pixels=True):
    decoding = Decoding(msgspec.structs.replace(card_of("v"), bands=bands, image_size_px=size_px, stored_px=stored_px))
    decoding.gives_pixels = gives_pixels
    return decoding


def files_of(tile):
    return {"rgb": tile.rgb, "nir": tile.nir, "valid_mask": tile.valid_mask}


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def saved(content, **options):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def as_png(tile, *bands):
    return {**files_of(tile), **{band: encode(pixels_of(getattr(tile, band)), "PNG") for band in bands}}


LARGE = fake_record(2, 64)
TURNED = saved(LARGE.rgb, quality=95, exif=(lambda exif: exif.__setitem__(0x0112, 6) or exif)(Image.Exif()))


@pytest.mark.parametrize(
    ("files", "size_px", "stored_px", "kind"),
    [
        pytest.param(files_of(fake_record(2, 64)), 32, 64, TilePixels, id="halved by the decoder"),
        pytest.param(files_of(fake_record(2, 64)), 16, 64, TilePixels, id="a quarter"),
        pytest.param(files_of(fake_record(2, 64)), 20, 64, TilePixels, id="halved by the decoder, then by the model"),
        pytest.param(files_of(fake_record(2, 64)), 64, 64, TilePixels, id="of the model's size"),
        pytest.param(files_of(fake_record(2, 48)), 32, 48, TilePixels, id="scaled by the model alone"),
        pytest.param(files_of(fake_record(2, 32)), 32, 0, TilePixels, id="of the model's size in a mixed dataset"),
        pytest.param(as_png(fake_record(2, 48), "rgb", "nir"), 32, 48, TilePixels, id="PNG"),
        pytest.param(as_png(fake_record(2, 48), "nir"), 32, 48, TilePixels, id="PNG and JPEG"),
        pytest.param(
            {**files_of(LARGE), "rgb": saved(LARGE.rgb, progressive=True, subsampling=2)}, 32, 64, TilePixels, id="odd"
        ),
        pytest.param(files_of(fake_record(2, 48)), 32, 0, Record, id="of another size in a mixed dataset"),
        pytest.param(files_of(fake_record(2, 64)), 32, 48, Record, id="of another size than usual"),
        pytest.param(files_of(fake_record(2, 32)), 32, 64, Record, id="JPEG of the size that the decoder would make"),
        pytest.param(as_png(fake_record(2, 64), "rgb", "nir"), 32, 64, Record, id="PNG, which no decoder halves"),
        pytest.param(as_png(fake_record(2, 64), "nir"), 32, 64, Record, id="NIR that no decoder halves"),
    ],
)
def test_a_tile_becomes_the_pixels_that_the_model_would_decode_or_stays_files(files, size_px, stored_px, kind):
    found = decoding_of(size_px, stored_px).check(files, 0).tile

    assert isinstance(found, kind)
    if isinstance(found, Record):
        assert (found.rgb, found.nir) == (files["rgb"], files["nir"])
        return
    ratio = tfrecords.decoder_ratio([f"{stored_px}x{stored_px}"] if stored_px else [], size_px)
    arrays = [tf.constant(part[np.newaxis]) for part in found]
    image, valid = tfrecords.scale_pixels(*arrays, BANDS, size_px)
    expected = tfrecords.decode_image(files["rgb"], files["nir"], files["valid_mask"], BANDS, size_px, ratio)
    np.testing.assert_array_equal(image[0], expected[0])
    np.testing.assert_array_equal(valid[0], expected[1])


def test_who_knows_no_pixels_or_wants_maps_is_asked_about_the_files_themselves():
    for found in (
        decoding_of(32, gives_pixels=False).check(FILES, 0).tile,
        decoding_of(32, 48).check(FILES, 0, as_files=True).tile,
    ):
        assert isinstance(found, Record)
        assert (found.rgb, found.nir) == (TILE.rgb, TILE.nir)


def test_a_mask_that_covers_the_tile_is_none():
    whole = {**FILES, "valid_mask": encode(np.full((48, 48), 255, np.uint8), "PNG")}

    assert decoding_of(32, gives_pixels=False).check(whole, 0).tile.valid_mask == b""


def test_of_tiles_that_the_model_sees_smaller_some_are_counted_by_their_content():
    decoding, whole = decoding_of(32, 64), decoding_of(64, 64)
    counted = 0
    for number in range(4 * COUNTED_OF):
        tile = fake_record(number, 64)
        found, again = (decoding.check(files_of(tile), 0).band_histogram for _ in range(2))
        assert (found is None) == (again is None) == (not is_counted_tile(tile.rgb))
        every = whole.check(files_of(tile), 0).band_histogram
        assert every is not None
        if found is not None:
            counted += 1
            np.testing.assert_array_equal(found, every)
    assert 0 < counted < 2 * COUNTED_OF


@pytest.mark.parametrize("size_px", [32, 64], ids=["scaled down", "whole"])
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rgb": LARGE.rgb[:-60]}, r"^rgb\[3\]: damaged or truncated"),
        ({"nir": LARGE.nir[:-60]}, r"^nir\[3\]: damaged or truncated"),
        ({"nir": fake_record(2, 48).nir}, r"^nir\[3\]: 48x48 px, but the rgb has 64x64 px"),
        ({"nir": encode(np.full((64, 64), 7, np.uint8))}, r"^nir\[3\]: empty band, every pixel is 7"),
        ({"valid_mask": TILE.valid_mask}, r"^valid_mask\[3\]: 48x48 px, but the rgb has 64x64 px"),
        ({"valid_mask": encode(np.zeros((64, 64), np.uint8), "PNG")}, r"^tile 3: no valid pixel"),
        ({"rgb": TURNED}, r"^rgb\[3\]: EXIF orientation 6"),
        ({"rgb": encode(pixels_of(LARGE.nir))}, r"^rgb\[3\]: expected RGB, got 1 band"),
    ],
)
def test_what_no_run_would_keep_is_refused_in_the_same_words_however_it_is_decoded(size_px, changes, text):
    with pytest.raises(Refusal, match=text):
        decoding_of(size_px, 64).check({**files_of(LARGE), **changes}, 3)


def test_of_the_full_range_16_bits_need_no_rule():
    with pytest.raises(Refusal, match="damaged or truncated"):  # it has no pixels
        decoding_of(32).check({**FILES, "rgb": COLOUR_16_BIT}, 0)


def test_a_model_of_rgb_alone_takes_colours_of_any_kind():
    grey = encode(np.arange(48 * 48, dtype=np.uint32).astype(np.uint8).reshape(48, 48), "PNG")

    as_file = decoding_of(32, bands=BANDS[:3], gives_pixels=False).check({"rgb": grey}, 0).tile
    as_pixels = decoding_of(32, 48, bands=BANDS[:3]).check({"rgb": grey}, 0).tile

    assert as_file.rgb == grey
    assert (as_pixels.rgb.shape, as_pixels.nir) == ((48, 48, 3), None)
    turned = decoding_of(32, 64, bands=BANDS[:3]).check({"rgb": TURNED}, 0).tile
    assert isinstance(turned, Record)  # upright, and so a PNG, which the model's decoder does not halve
    assert turned.rgb.startswith(b"\x89PNG")


@pytest.mark.long
def test_tiles_of_all_kinds_at_once_are_answered_as_the_model_answers_their_files(tmp_path: Path) -> None:
    manifest = colour_dataset(tmp_path, num_val=12, num_test=12, tile_px=64)
    receipt = colour_training(tmp_path, manifest, "halved", ratio=2)
    uri = tmp_path / "models"
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        page, log = tmp_path / "report.html", StepLog("x")
        evaluated = evaluate_training(str(tmp_path), str(tmp_path / "n"), manifest, receipt, page, log)
    card = put_in_production(tmp_path, receipt, evaluated.evaluation, str(uri), stored_px=64)
    usual = [fake_record(3000 + number, 64) for number in range(16)]
    odd = [fake_record(number, size) for number, size in enumerate((48, 32, 100, 33, 16))]
    odd += [
        Record("", "", **as_png(fake_record(number, 64), "rgb", "nir"), labels=(), class_fractions=())
        for number in (7, 8)
    ]
    tiles = [tile for pair in zip(usual, odd, strict=False) for tile in pair] + usual[len(odd) :]
    with asked_model(version_uri(str(uri), card.version), card.files, beside=(CARD,)) as asked:
        expected = asked.ask("masked", images_of(tiles))

    with served(uri) as running, running.client() as client:
        together = outputs_of(post(client, tiles))
        alone = [outputs_of(post(client, [tile])) for tile in tiles]
        window = ServedWindow.checked(client.get(f"/v2/models/{NAME}/drift").content, "it")

    for found in (together, {name: np.concatenate([each[name] for each in alone]) for name in together}):
        assert np.abs(found["probabilities"] - expected["probabilities"]).max() <= 1e-5
        assert (found["predicted"] == expected["predicted"]).all()
    counted = sum(is_counted_tile(tile.rgb) for tile in usual) + len(odd)
    assert (window.num_tiles, window.num_counted) == (2 * len(tiles), 2 * counted)
