"""The output `maps`: only for who asks for it by name, as the model's own signature answers, and within bounds."""

import concurrent.futures
import json

import msgspec
import numpy as np
import pytest
from model_cards import card_of
from serving import HEADER, INFER, images_of, outputs_of, post, served

from components.contracts import ModelCard
from components.registry import CARD, version_uri
from components.saved_model.asking import asked_model
from components.serve.maps_output import MapsOutput
from components.serve.refusal import Refusal
from components.serve.settings import ServeSettings

MODEL = INFER.removesuffix("/infer")
WITH_MAPS = [{"name": "probabilities"}, {"name": "maps"}]


@pytest.fixture(scope="module")
def own_maps(models):
    """What the signature of the first model says of all tiles."""
    uri = version_uri(str(models.uri), models.first)
    card = ModelCard.read(f"{uri}/{CARD}")
    with asked_model(uri, card.files, beside=(CARD,)) as asked:
        return asked.ask("maps", images_of(models.tiles))


def of_bytes(response):
    """Returns the maps of an answer that has them in binary form."""
    assert response.status_code == 200, response.text
    document = json.loads(response.content[: int(response.headers[HEADER])])
    (entry,) = [each for each in document["outputs"] if each["name"] == "maps"]
    values = np.frombuffer(response.content[-entry["parameters"]["binary_data_size"] :], "<f4")
    return values.reshape(entry["shape"])


def test_maps_are_answered_to_who_names_them_and_to_nobody_else(server, models, own_maps):
    with server.client() as client:
        assert "maps" not in outputs_of(post(client, models.tiles[:3]))
        found = outputs_of(post(client, models.tiles[:3], outputs=WITH_MAPS))
        binary = post(client, models.tiles[:3], outputs=[{"name": "maps", "parameters": {"binary_data": True}}])

    assert set(found) == {"probabilities", "maps"}
    assert found["maps"].shape == (3, 8, 8, 3)
    np.testing.assert_allclose(found["maps"], own_maps["maps"][:3], atol=1e-6)
    np.testing.assert_array_equal(of_bytes(binary), found["maps"].astype(np.float32))
    np.testing.assert_allclose(found["probabilities"], own_maps["probabilities"][:3], atol=1e-6)


def test_answers_stay_the_same_beside_requests_for_maps(server, models, own_maps):
    expected = models.expected[models.first]["probabilities"]
    with server.client() as client, concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [(first, first % 2) for first in range(12)] * 3
        answers = [
            pool.submit(post, client, models.tiles[first : first + 2], **({"outputs": WITH_MAPS} if maps else {}))
            for first, maps in asked
        ]
        for (first, maps), answer in zip(asked, answers, strict=True):
            found = outputs_of(answer.result())
            np.testing.assert_allclose(found["probabilities"], expected[first : first + 2], atol=1e-5)
            if maps:
                np.testing.assert_allclose(found["maps"], own_maps["maps"][first : first + 2], atol=1e-5)


def test_metadata_lists_maps_with_their_kind_thresholds_and_limits(server):
    with server.client() as client:
        about = client.get(MODEL).json()

    assert about["outputs"][-1] == {"name": "maps", "datatype": "FP32", "shape": [-1, -1, -1, 3]}
    assert about["parameters"]["maps"] == {"kind": "activation", "thresholds": about["parameters"]["thresholds"]}
    assert about["parameters"]["why_no_maps"] == ""
    assert about["parameters"]["limits"] == {
        "tile_pixels": 1_000_000,
        "request_pixels": 16_777_216,
        "request_tiles": 24,
        "request_tiles_with_maps": 24,
        "request_bytes": 2 << 20,
    }


@pytest.mark.long
def test_a_dense_head_answers_its_own_maps(other_models, models):
    with served(other_models["dense"]) as running, running.client() as client:
        about = client.get(MODEL).json()["parameters"]
        found = outputs_of(post(client, models.tiles[:4], outputs=WITH_MAPS))
    (card_path,) = other_models["dense"].glob(f"versions/*/{CARD}")
    card = ModelCard.read(str(card_path))
    with asked_model(str(card_path.parent), card.files, beside=(CARD,)) as asked:
        own = asked.ask("dense", images_of(models.tiles[:4]))

    assert about["maps"] == {"kind": "dense", "thresholds": list(card.dense.thresholds)}
    np.testing.assert_allclose(found["maps"], own["maps"], atol=1e-6)


@pytest.mark.long
def test_an_earlier_version_answers_as_ever_and_says_why_it_has_no_maps(other_models, models):
    with served(other_models["earlier"]) as running, running.client() as client:
        about = client.get(MODEL).json()
        plain = outputs_of(post(client, models.tiles[:2]))
        refused = post(client, models.tiles[:2], outputs=WITH_MAPS)

    assert [each["name"] for each in about["outputs"]] == [*plain]
    assert about["parameters"]["maps"] is None
    assert refused.status_code == 400
    assert refused.json()["error"] == f"output maps: {about['parameters']['why_no_maps']}"
    assert "the next one to be pushed has them" in refused.json()["error"]


class HasMaps:
    def has(self, function):
        return function == "maps"


@pytest.mark.parametrize(
    ("size_px", "num_classes", "held_mib", "json_tiles", "binary_tiles"),
    [
        (32, 3, 256, 32, 32),
        (512, 9, 256, 32, 32),
        (512, 300, 256, 1, 13),
        (512, 300, 1024, 7, 32),
        (512, 300, 32, 1, 1),
    ],
)
def test_what_maps_may_take_bounds_the_tiles_of_a_request(size_px, num_classes, held_mib, json_tiles, binary_tiles):
    card = msgspec.structs.replace(card_of("v"), image_size_px=size_px, classes=("c",) * num_classes)
    settings = ServeSettings(held_mib=held_mib, request_mib=32)
    maps = MapsOutput(card, settings)
    maps.look(HasMaps())

    assert (maps.most_tiles(False), maps.most_tiles(True)) == (json_tiles, binary_tiles)
    assert maps.answer_bytes(binary_tiles, True) == binary_tiles * max(8, size_px // 8) ** 2 * num_classes * 8
    if binary_tiles < 32:
        words = f"output maps: at most {json_tiles} tiles are taken in a request, or {binary_tiles} if they are wanted "
        with pytest.raises(Refusal, match=f"^{words}binary, got 32$"):
            maps.answer_bytes(32, False)
