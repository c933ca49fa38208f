"""The candidate's answers to images that were changed, on real records with a real SavedModel."""

import dataclasses
import io

import msgspec
import numpy as np
import pytest
from colour_model import BANDS, CLASSES, SIZE_PX, colour_dataset, colour_training
from models_here import run_models_here
from PIL import Image
from tile_shards import encode

from components.agrivision import RGB_BANDS
from components.contracts import Manifest
from components.evaluate.weaknesses.robustness import (
    DARKENED,
    JPEG_50,
    MEANINGS,
    MOST_TILES,
    NIR_SHIFTED,
    NO_NIR,
    SHIFTED,
    AskedTiles,
    judge_robustness,
    num_asked,
)
from components.evaluate.weaknesses.tile_attributes import attributes_of
from components.records import jpeg
from components.records.shard_records import records_of
from components.saved_model.answering import TRAINED
from components.saved_model.asking import asked_model


def all_records(root, manifest: Manifest):
    return [
        record
        for shard in manifest.splits["test"].shards
        for record in records_of(str(root), shard, len(manifest.classes))
    ]


def decide(probabilities):
    return probabilities >= np.float32(0.5)


@pytest.fixture(scope="module", params=[BANDS, RGB_BANDS], ids=["with NIR", "RGB only"])
def asked(request, tmp_path_factory):
    """A trained model that can be asked, and test tiles."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root, bands=request.param)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        with asked_model(str(root / receipt.model_path), receipt.files) as model:

            def answer(batch):
                images = {name: [getattr(record, name) for record in batch] for name in ("rgb", "nir", "valid_mask")}
                return model.probabilities(TRAINED, images, len(CLASSES))

            yield manifest, all_records(root, manifest), answer


def tiles_of(records, answer):
    labels = np.array([record.labels for record in records]) > 0.5
    units = np.unique([record.field_id for record in records], return_inverse=True)[1].astype(np.int32)
    return AskedTiles(records, labels, answer(records).copy(), units)


def test_each_change_has_a_row_and_the_same_pixels_get_the_same_answers(asked):
    manifest, records, answer = asked
    asked_about = []

    def listening(batch):
        asked_about.append(len(batch))
        return answer(batch)

    found = judge_robustness(tiles_of(records, answer), listening, decide, manifest, SIZE_PX)
    has_nir = len(manifest.bands) > 3
    assert [row.change for row in found.rows] == list(
        MEANINGS if has_nir else [name for name in MEANINGS if "NIR" not in name]
    )
    assert sum(asked_about) == len(records) * (1 + len(found.rows))
    assert found.control <= 1e-6
    assert found.note == ""
    assert (found.num_tiles, found.num_fields) == (48, 12)
    rows = {row.change: row for row in found.rows}
    for row in found.rows:
        assert row.meaning == MEANINGS[row.change]
        difference, low, high = row.difference
        assert low <= difference <= high
        assert difference == pytest.approx(row.macro_f1 - found.macro_f1)
        assert 0 <= row.changed_decisions <= row.changed_tiles <= 1
    # Weeds are bright in NIR: without it, or in the dark, the model that goes by colour does not know them.
    assert rows[DARKENED].difference[2] < 0
    assert rows[DARKENED].changed_decisions > 0.2
    if has_nir:
        assert rows[NO_NIR].difference[2] < 0
        assert rows[NIR_SHIFTED].difference[0] > rows[NO_NIR].difference[0]


def test_equal_tiles_give_equal_rows(asked):
    manifest, records, answer = asked
    tiles = tiles_of(records[:20], answer)
    one, two = (judge_robustness(tiles, answer, decide, manifest, SIZE_PX) for _ in range(2))
    assert one == two


def test_where_the_same_pixels_get_other_answers_there_are_no_numbers_and_the_reason(asked):
    manifest, records, answer = asked
    tiles = tiles_of(records, answer)
    tiles.probabilities[40, 0] += np.float32(0.01)
    found = judge_robustness(tiles, answer, decide, manifest, SIZE_PX)
    assert found.rows == ()
    assert found.control == pytest.approx(0.01, abs=1e-4)
    assert "got answers up to 0.01 off, expected at most 1e-05" in found.note
    tiles.probabilities[0, 0] = np.nan
    assert judge_robustness(tiles, answer, decide, manifest, SIZE_PX).rows == ()


def test_a_tile_that_cannot_be_decoded_is_said_and_no_error(asked):
    manifest, records, answer = asked
    tiles = tiles_of(records, answer)
    damaged = [dataclasses.replace(records[0], rgb=records[0].rgb[:100]), *records[1:]]
    found = judge_robustness(dataclasses.replace(tiles, records=damaged), answer, decide, manifest, SIZE_PX)
    assert "cannot be decoded" in found.note


def test_without_tiles_there_is_nothing_to_say(asked):
    manifest, _, answer = asked
    nothing = AskedTiles([], np.zeros((0, 3), bool), np.zeros((0, 3), np.float32), np.zeros(0, np.int32))
    assert judge_robustness(nothing, answer, decide, manifest, SIZE_PX) is None


def changed_tiles(record, manifest, image_size_px=64):
    """What a model is asked about, by change; the first is the control."""
    asked_about = []

    def answer(batch):
        asked_about.append(batch[0])
        return np.zeros((1, 3), np.float32)

    tiles = AskedTiles([record], np.zeros((1, 3), bool), np.zeros((1, 3), np.float32), np.zeros(1, np.int32))
    found = judge_robustness(tiles, answer, decide, manifest, image_size_px)
    return dict(zip(["control", *(row.change for row in found.rows)], asked_about, strict=True))


@pytest.mark.parametrize(("image_size_px", "side"), [(256, 256), (128, 128), (100, 128), (64, 64)])
def test_images_are_changed_at_the_size_that_the_model_decodes_them_to(asked, image_size_px, side):
    manifest, records, _ = asked
    manifest = msgspec.structs.replace(manifest, tile_sizes={"256x256": 48})
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(30, 220, (16, 16, 3), np.uint8)).resize((256, 256))
    mask = np.zeros((256, 256), np.uint8)
    mask[:, 128:] = 255
    rgb = np.asarray(coarse)
    record = dataclasses.replace(records[0], rgb=encode(rgb), nir=encode(rgb[..., 0]), valid_mask=encode(mask, "PNG"))
    found = changed_tiles(record, manifest, image_size_px)
    ratio = 256 // side
    small = jpeg.decode(record.rgb, 3, ratio)
    np.testing.assert_array_equal(jpeg.decode(found["control"].rgb, 3), small)
    np.testing.assert_array_equal(jpeg.decode(found["control"].nir, 1), jpeg.decode(record.nir, 1, ratio))
    assert found["control"].valid_mask == record.valid_mask
    darkened = jpeg.decode(found[DARKENED].rgb, 3)
    np.testing.assert_allclose(darkened, small * 0.7, atol=0.51)
    shifted = jpeg.decode(found[SHIFTED].rgb, 3)
    np.testing.assert_array_equal(shifted[1:, 1:], small[:-1, :-1])
    np.testing.assert_array_equal(shifted[0, 0], small[0, 0])
    # The mask moves as far, in its own pixels.
    moved = np.asarray(Image.open(io.BytesIO(found[SHIFTED].valid_mask)))
    assert np.flatnonzero(moved[100])[0] == 128 + ratio
    # JPEG is made of the whole image, and the model decodes it as it does others.
    assert Image.open(io.BytesIO(found[JPEG_50].rgb)).size == (256, 256)
    assert len(found[JPEG_50].rgb) < len(record.rgb) / 2
    again = jpeg.decode(found[JPEG_50].rgb, 3, ratio)
    assert np.abs(again.astype(int) - small).mean() < 6
    if len(manifest.bands) > 3:
        assert len(np.unique(jpeg.decode(found[NO_NIR].nir, 1))) == 1
        np.testing.assert_array_equal(jpeg.decode(found[NO_NIR].rgb, 3), small)
        np.testing.assert_array_equal(jpeg.decode(found[NIR_SHIFTED].rgb, 3), small)
        nir = jpeg.decode(record.nir, 1, ratio)
        np.testing.assert_array_equal(jpeg.decode(found[NIR_SHIFTED].nir, 1)[1:, 1:], nir[:-1, :-1])
    assert np.isfinite(attributes_of(list(found.values()))[:, 0]).all()


@pytest.mark.parametrize(
    ("num_answered", "num"), [(0, 12), (600, 12), (1_000, 16), (6_000, 100), (20_000, 333), (10**7, 512)]
)
def test_as_many_are_asked_as_take_a_fifth_of_the_time(num_answered, num):
    assert num_asked(num_answered) == num <= MOST_TILES
