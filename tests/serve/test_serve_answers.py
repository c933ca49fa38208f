"""A server answers what the model answers, in every form of the protocol."""

import concurrent.futures
import struct

import numpy as np
import pytest
from serving import HEADER, INFER, NAME, images_of, in_binary, in_json, outputs_of, post

TOLERANCE = 1e-5


def assert_equal(found, expected, rows):
    assert np.abs(found["probabilities"] - expected["probabilities"][rows]).max() <= TOLERANCE
    for name in ("predicted", "not_sure"):
        assert (found[name] == expected[name][rows]).all()
    assert [[text.encode() for text in row] for row in found["class_names"]] == expected["class_names"][rows].tolist()


def test_single_tiles_are_answered_as_the_model_answers_them(server, models):
    with server.client() as client:
        for number, tile in enumerate(models.tiles):
            found = outputs_of(post(client, [tile]))

            assert_equal(found, models.expected[models.first], slice(number, number + 1))


def test_a_batch_is_answered_in_its_order(server, models):
    with server.client() as client:
        found = outputs_of(post(client, models.tiles))

    assert_equal(found, models.expected[models.first], slice(None))


def test_base64_in_json_is_answered_like_bytes(server, models):
    with server.client() as client:
        found = outputs_of(client.post(INFER, json=in_json(images_of(models.tiles[:3]))))

    assert_equal(found, models.expected[models.first], slice(3))


def test_under_load_every_client_gets_its_own_answer(server, models):
    def ask(number):
        with server.client() as client:
            for turn in range(12):
                first = (5 * number + 7 * turn) % 20
                size = 1 + turn % 4
                response = post(client, models.tiles[first : first + size], id=f"{number}-{turn}")
                assert_equal(outputs_of(response), models.expected[models.first], slice(first, first + size))
                assert response.json()["id"] == f"{number}-{turn}"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))


def test_the_answer_names_model_version_and_id(server, models):
    with server.client() as client:
        document = post(client, models.tiles[:1], id="tile 7").json()
        without = post(client, models.tiles[:1]).json()

    assert {key: document[key] for key in ("model_name", "model_version", "id", "parameters")} == {
        "model_name": NAME,
        "model_version": models.first,
        "id": "tile 7",
        "parameters": {"version": models.first},
    }
    assert "id" not in without
    assert [(each["name"], each["datatype"], each["shape"]) for each in document["outputs"]] == [
        ("probabilities", "FP32", [1, 3]),
        ("predicted", "BOOL", [1, 3]),
        ("not_sure", "BOOL", [1, 3]),
        ("class_names", "BYTES", [1, 3]),
    ]


def test_only_the_outputs_that_are_asked_for_are_sent_in_their_order(server, models):
    with server.client() as client:
        response = post(client, models.tiles[:1], outputs=[{"name": "predicted"}, {"name": "probabilities"}])

    assert [each["name"] for each in response.json()["outputs"]] == ["predicted", "probabilities"]


@pytest.mark.parametrize(
    "more",
    [
        {"parameters": {"binary_data_output": True}},
        {
            "outputs": [
                {"name": name, "parameters": {"binary_data": True}}
                for name in ("probabilities", "predicted", "not_sure", "class_names")
            ]
        },
    ],
    ids=["all of them", "each of them"],
)
def test_outputs_come_as_bytes_if_wanted(server, models, more):
    import json

    with server.client() as client:
        response = post(client, models.tiles[:5], **more)
    length = int(response.headers[HEADER])
    document, rest = json.loads(response.content[:length]), response.content[length:]
    parts = {}
    for each in document["outputs"]:
        size = each["parameters"]["binary_data_size"]
        parts[each["name"]], rest = rest[:size], rest[size:]
    expected = models.expected[models.first]

    assert rest == b""
    found = np.frombuffer(parts["probabilities"], "<f4").reshape(5, 3)
    assert np.abs(found - expected["probabilities"][:5]).max() <= TOLERANCE
    assert (np.frombuffer(parts["predicted"], np.bool_).reshape(5, 3) == expected["predicted"][:5]).all()
    names, at = [], 0
    while at < len(parts["class_names"]):
        (size,) = struct.unpack_from("<I", parts["class_names"], at)
        names.append(parts["class_names"][at + 4 : at + 4 + size])
        at += 4 + size
    assert names == expected["class_names"][:5].ravel().tolist()


def test_the_valid_mask_may_be_left_out_or_empty(server, models):
    whole = [tile for tile in models.tiles if not tile.valid_mask][:2]
    rows = [models.tiles.index(tile) for tile in whole]
    images = images_of(whole)
    del images["valid_mask"]
    with server.client() as client:
        body, headers = in_binary(images)
        found = outputs_of(client.post(INFER, content=body, headers=headers))

        assert_equal(found, models.expected[models.first], rows)
        assert_equal(outputs_of(post(client, whole)), models.expected[models.first], rows)


def test_the_version_may_be_named(server, models):
    body, headers = in_binary(images_of(models.tiles[:1]))
    with server.client() as client:
        path = f"/v2/models/{NAME}/versions/{models.first}"
        found = outputs_of(client.post(f"{path}/infer", content=body, headers=headers))
        ready, meta = client.get(f"{path}/ready").json(), client.get(path).json()

    assert_equal(found, models.expected[models.first], slice(1))
    assert ready == {"name": NAME, "version": models.first, "ready": True}
    assert meta["versions"] == [models.first]


def test_the_metadata_says_what_goes_in_and_comes_out(server, models):
    with server.client() as client:
        found = client.get(f"/v2/models/{NAME}").json()
        server_metadata = client.get("/v2").json()

    assert found["inputs"] == [
        {"name": name, "datatype": "BYTES", "shape": [-1]} for name in ("rgb", "nir", "valid_mask")
    ]
    assert [(each["name"], each["datatype"], each["shape"]) for each in found["outputs"]] == [
        ("probabilities", "FP32", [-1, 3]),
        ("predicted", "BOOL", [-1, 3]),
        ("not_sure", "BOOL", [-1, 3]),
        ("class_names", "BYTES", [-1, 3]),
        ("maps", "FP32", [-1, -1, -1, 3]),
    ]
    assert found["parameters"]["classes"] == ["water", "weed_cluster", "drydown"]
    assert len(found["parameters"]["thresholds"]) == len(found["parameters"]["no_below"]) == 3
    assert server_metadata["extensions"] == ["binary_tensor_data"]
