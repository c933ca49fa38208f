"""Two thousand requests that something has happened to: each is refused in one line, or still valid and answered."""

import collections
import json
import random

import pytest
from serving import BINARY, HEADER, INFER, NAME, children_of, images_of, in_binary, in_json, resident_mb, served

pytestmark = pytest.mark.hostile

NUM_REQUESTS, SEED = 2_000, 20_19
MOST_GROWTH_MB = 40.0  # of the server, and of the model
FORBIDDEN = ("tensorflow", "Traceback", 'File "', "{{node", "Error:", "/tmp/", "components.")
ODD = (None, True, False, 0, -1, 1 << 70, 1.5, "", "\x00", "\u202e", "rgb", [], {}, [[]], {"a": {}}, "A" * 5_000)


def mutated_json(rng, document):
    """Returns a document with one place changed: removed, doubled, or replaced by something odd."""
    copy = json.loads(json.dumps(document))
    places = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(copy)
    node, key = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.append(node[key])
    elif kind == 2 and isinstance(node, dict):
        node[rng.choice(["x", "data", "shape", "outputs", key.upper()])] = rng.choice(ODD)
    else:
        node[key] = rng.choice(ODD)
    return copy


def mutated_bytes(rng, content):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 30])):
        kind, at = rng.randrange(5), rng.randrange(len(content) or 1)
        if not content or kind == 0:
            content[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif kind == 1:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del content[at : at + rng.randrange(1, 200)]
        elif kind == 3:
            content[at : at + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xda\xff\xc0"])
        else:
            content[at:at] = content[at : at + rng.randrange(1, 200)]
    return bytes(content)


def request(rng, tiles):
    """Returns the body and headers of a mutated request, and what was mutated."""
    images = images_of(rng.sample(tiles, rng.choice([1, 1, 2, 3])))
    kind = rng.choice(["image", "image", "json", "json", "body", "lengths", "headers"])
    if kind == "image":
        contents = images[rng.choice([*images])]
        at = rng.randrange(len(contents))
        contents[at] = mutated_bytes(rng, contents[at])
    if kind == "json" or (kind != "lengths" and rng.random() < 0.3):
        document = in_json(images)
        body = json.dumps(mutated_json(rng, document) if kind == "json" else document).encode()
        headers = {"Content-Type": "application/json"}
    else:
        body, headers = in_binary(images)
    if kind == "body":
        body = mutated_bytes(rng, body)
    if kind == "lengths":
        length = int(headers[HEADER])
        start = json.dumps(mutated_json(rng, json.loads(body[:length]))).encode()
        body, headers = start + body[length:], {**BINARY, HEADER: str(len(start))}
    if kind == "headers":
        name = rng.choice([HEADER, "Content-Type", "Content-Encoding", "Accept", "Inference-Header"])
        headers[name] = rng.choice(["", "0", "-1", "1e3", "9" * 30, "*/*", "gzip", "application/json;;", "a" * 3_000])
    return kind, body, headers


def test_mutated_requests_are_refused_in_one_line_and_memory_stays_flat(models):
    rng, found = random.Random(SEED), collections.Counter()
    with served(models.uri) as running, running.client() as client:
        processes = [running.process.pid, *children_of(running.process.pid)]
        before = []
        for number in range(NUM_REQUESTS):
            if number == NUM_REQUESTS // 4:
                before = [resident_mb(pid) for pid in processes]
            kind, body, headers = request(rng, models.tiles)
            path = (
                INFER if rng.random() < 0.97 else rng.choice([f"{INFER}/x", f"/v2/models/{NAME}%00/infer", "/v2/../x"])
            )
            response = client.post(path, content=body, headers=headers)
            found[kind, response.status_code] += 1
            if response.status_code == 200:
                continue
            assert 400 <= response.status_code < 500, (number, response.text)
            document = json.loads(response.content)
            assert [*document] == ["error"], (number, document)
            assert document["error"].isprintable()
            assert 5 < len(document["error"]) <= 400
            assert not [word for word in FORBIDDEN if word in document["error"]], (number, document)
        after = [resident_mb(pid) for pid in processes]
        text = client.get("/metrics").text
        # It is as well as before.
        body, headers = in_binary(images_of(models.tiles[:1]))
        assert client.post(INFER, content=body, headers=headers).status_code == 200

    assert [line for line in running.lines if not line.startswith("serve | ")] == []
    assert "agrivision_serve_held_bytes 0.0" in text
    assert "agrivision_serve_queue_tiles 0.0" in text
    assert {status for _, status in found} >= {200, 400, 413, 415, 422, 404}, found
    assert max(late - early for early, late in zip(before, after, strict=True)) <= MOST_GROWTH_MB, (before, after)
