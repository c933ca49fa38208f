"""What a server refuses, with which status, and in which words; none of them reaches the model."""

import io
import json
import re
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
from hostile_images import header, png
from PIL import Image
from serving import BINARY, HEADER, INFER, NAME, images_of, in_binary, in_json, post, served
from tile_shards import encode

JSON = {"Content-Type": "application/json"}
FLAT = encode(np.full((48, 48), 7, np.uint8))
HALF = np.zeros((48, 48), np.uint8)
HALF[:24] = 255


def line_of(response):
    """Returns the error, which is one line of printable text in JSON."""
    document = json.loads(response.content)
    assert [*document] == ["error"]
    assert response.headers["content-type"] == "application/json"
    assert document["error"].isprintable()
    assert "tensorflow" not in document["error"].lower()
    assert "Traceback" not in document["error"]
    return document["error"]


def changed(document, **changes):
    """Returns a request with its first input changed."""
    first, *rest = document["inputs"]
    return {**document, "inputs": [{**first, **changes}, *rest]}


def without(document, name):
    return {**document, "inputs": [each for each in document["inputs"] if each["name"] != name]}


REQUESTS = [
    (lambda d: [], 400, r"the JSON is not a request of the V2 inference protocol: Expected `object`, got `array`"),
    (lambda d: {}, 400, r"missing required field `inputs`"),
    (lambda d: {"inputs": []}, 400, r"no input rgb; the model takes rgb, nir and, if wanted, valid_mask"),
    (lambda d: without(d, "nir"), 400, r"no input nir; the model takes rgb, nir and"),
    (lambda d: {**d, "wanted": []}, 400, r"contains unknown field `wanted`"),
    (lambda d: {**d, "id": 7}, 400, r"Expected `str`, got `int` - at `\$\.id`"),
    (lambda d: {**d, "id": "x" * 300}, 400, r"id must have at most 256 characters, got 300"),
    (lambda d: {**d, "parameters": {"a": {}}}, 400, r"at `\$\.parameters"),
    (lambda d: {**d, "parameters": {"a": 1}}, 200, ""),
    (lambda d: {**d, "outputs": [{"name": "x"}]}, 400, r"unknown output 'x'; the model has probabilities, predicted"),
    (lambda d: {**d, "outputs": [{"name": "predicted"}] * 2}, 400, r"output predicted is asked for twice"),
    (lambda d: {**d, "parameters": {"binary_data_output": "yes"}}, 400, r"binary_data_output must be true or false"),
    (lambda d: changed(d, name="red"), 400, r"unknown input 'red'; the model takes rgb, nir, valid_mask"),
    (lambda d: changed(d, name="a\x1b[2J\n"), 400, r"unknown input 'a\\x1b\[2J\\n'"),
    (lambda d: changed(d, name="nir"), 400, r"input nir is given twice"),
    (lambda d: changed(d, datatype="UINT8"), 400, r"input rgb must have the datatype BYTES, got 'UINT8'"),
    (lambda d: changed(d, shape=[1, 1]), 400, r"input rgb must have the shape \[number of tiles\], got \[1, 1\]"),
    (lambda d: changed(d, shape=[]), 400, r"input rgb must have the shape \[number of tiles\], got \[\]"),
    (lambda d: changed(d, shape=[0]), 400, r"got \[0\]"),
    (lambda d: changed(d, shape=[-1]), 400, r"got \[-1\]"),
    (lambda d: changed(d, shape=[2]), 400, r"input rgb must have as many data as its shape says, 2, got 1"),
    (lambda d: changed(d, shape=[10**30]), 413, r"input rgb: at most 24 tiles are taken in a request, got 1,000,000"),
    (lambda d: changed(d, shape=[25]), 413, r"input rgb: at most 24 tiles are taken in a request, got 25"),
    (lambda d: changed(d, data=["%%%"]), 400, r"input rgb: its data are not base64"),
    (lambda d: changed(d, data=[7]), 400, r"Expected `str`, got `int`"),
    (lambda d: changed(d, data=[["aaaa"]]), 400, r"Expected `str`, got `array`"),
    (lambda d: changed(d, parameters={}), 400, r"input rgb: images in JSON must be base64, with \"parameters\""),
    (lambda d: changed(d, data=None), 400, r"input rgb has no data; expected base64, or binary_data_size"),
    (lambda d: changed(d, parameters={"binary_data_size": 3}), 400, r"input rgb has both data and binary_data_size"),
    (lambda d: changed(d, data=[""]), 422, r"rgb\[0\]: empty file \(0 bytes\); expected a JPEG or PNG"),
]


@pytest.mark.parametrize(("change", "status", "text"), REQUESTS)
def test_a_request_that_breaks_the_protocol_is_refused_by_name(server, models, change, status, text):
    document = change(in_json(images_of(models.tiles[:1])))
    with server.client() as client:
        response = client.post(INFER, json=document)

    assert response.status_code == status
    if status != 200:
        assert re.search(text, line_of(response)), response.text


BODIES = [
    (b"", JSON, 400, "Input data was truncated"),
    (b"{", JSON, 400, "Input data was truncated"),
    (b'{"inputs":' + b"[" * 100_000, JSON, 400, "the JSON is not a request"),
    (b'{"x":' + b"[" * 100_000, JSON, 400, "the JSON is not a request"),
    (b"\xff{}", JSON, 400, "the JSON is not a request"),
    (b"{}", {"Content-Type": "text/plain"}, 415, "Content-Type must be application/json, got 'text/plain'"),
    (b"{}", BINARY, 415, f"for application/octet-stream give {HEADER}"),
    (b"{}", {**JSON, "Content-Encoding": "gzip"}, 415, "Content-Encoding 'gzip' is not read"),
    (b"{}", {**BINARY, HEADER: "x"}, 400, f"{HEADER} must be a number of bytes, got 'x'"),
    (b"{}", {**BINARY, HEADER: "-1"}, 400, f"{HEADER} must be a number of bytes, got '-1'"),
    (b"{}", {**BINARY, HEADER: "0"}, 400, f"{HEADER} must be between 1 and the bytes of the body, 2, got 0"),
    (b"{}", {**BINARY, HEADER: "3"}, 400, f"{HEADER} must be between 1 and the bytes of the body, 2, got 3"),
    (bytes((2 << 20) + 1), JSON, 413, "a request may have 2 MiB, got 2,097,153 bytes"),
]


@pytest.mark.parametrize(("body", "headers", "status", "text"), BODIES)
def test_a_body_that_cannot_be_read_is_refused(server, body, headers, status, text):
    with server.client() as client:
        response = client.post(INFER, content=body, headers=headers)

    assert (response.status_code, text in line_of(response)) == (status, True), response.text


def test_a_body_that_does_not_say_how_long_it_is_is_bounded_as_well(server):
    with server.client() as client:
        response = client.post(INFER, content=(bytes(1 << 16) for _ in range(40)), headers=JSON)

    assert (response.status_code, line_of(response)) == (413, "a request may have 2 MiB, got more")


def element(content):
    return struct.pack("<I", len(content)) + content


BINARIES = [
    (lambda size: size + 1, b"", r"binary_data_size must be between 0 and the .* bytes that are left"),
    (lambda size: size - 1, b"", r"valid_mask\[0\] must have .* bytes by its length|bytes after the inputs"),
    (lambda size: 3, b"", r"valid_mask\[0\] must begin with its length in 4 bytes, got 3 bytes"),
    (lambda size: "7", b"", r"binary_data_size must be between 0 and"),
    (lambda size: -7, b"", r"binary_data_size must be between 0 and"),
    (lambda size: True, b"", r"binary_data_size must be between 0 and"),
    (lambda size: size, b"x", r"1 bytes after the inputs belong to none of them"),
]


NUM_BYTES = 28 << 20
LONG_NAME = b'{"inputs":[{"name":"' + b"\xe2\x80\xae" * (NUM_BYTES // 3) + b'","shape":[1],"datatype":""}]}'
BOMBS = {
    "outputs": (b'{"inputs":[],"outputs":[' + b'{"name":""},' * (NUM_BYTES // 12) + b'{"name":""}]}', 413, "commas"),
    "inputs": (b'{"inputs":[' + b'{"name":"","shape":[],"datatype":""},' * (NUM_BYTES // 37) + b"0]}", 413, "commas"),
    "parameters": (
        b'{"inputs":[],"parameters":{' + b",".join(b'"%d":1' % number for number in range(2_000_000)) + b"}}",
        413,
        "the JSON of a request may have 10,096 commas, which is more than any needs, got 2,000,000",
    ),
    "a name": (LONG_NAME, 400, "u202e"),
    "a field": (b'{"inputs":[],"' + b"\\n" * (NUM_BYTES // 2) + b'":1}', 400, "unknown field"),
}


def most_mb(process):
    return int(re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())[1]) / 1000


@pytest.mark.long
def test_json_that_unpacks_to_much_more_is_refused_and_takes_little_memory(models):
    with served(models.uri / "versions" / models.first) as running, running.client() as client:
        process = Path(f"/proc/{running.process.pid}")
        for name, (body, status, text) in BOMBS.items():
            (process / "clear_refs").write_text("5")  # from here on, the most counts
            before = most_mb(process)
            response = client.post(INFER, content=body, headers=JSON)
            assert (name, response.status_code) == (name, status)
            assert text in line_of(response)
            assert most_mb(process) - before < 7 * NUM_BYTES / 1e6, name


@pytest.mark.parametrize(("size", "more", "text"), BINARIES)
def test_bytes_that_do_not_fit_their_sizes_are_refused(server, models, size, more, text):
    body, headers = in_binary(images_of(models.tiles[1:2]))
    length = int(headers[HEADER])
    document = json.loads(body[:length])
    parameters = document["inputs"][2]["parameters"]
    parameters["binary_data_size"] = size(parameters["binary_data_size"])
    start = json.dumps(document).encode()
    with server.client() as client:
        headers = {**BINARY, HEADER: str(len(start))}
        response = client.post(INFER, content=start + body[length:] + more, headers=headers)

    assert response.status_code == 400
    assert re.search(text, line_of(response)), response.text


def cmyk():
    buffer = io.BytesIO()
    Image.new("CMYK", (48, 48), (9, 8, 7, 6)).save(buffer, "JPEG")
    return buffer.getvalue()


TILES = [
    ("rgb", lambda tile: b"hello", 422, "rgb[0]: neither a JPEG nor a PNG"),
    ("rgb", lambda tile: b"GIF89a" + bytes(40), 422, "rgb[0]: neither a JPEG nor a PNG"),
    ("rgb", lambda tile: tile.rgb[:-40], 422, "rgb[0]: damaged or truncated"),
    ("rgb", lambda tile: tile.nir, 422, "rgb[0]: expected RGB, got 1 band"),
    ("nir", lambda tile: tile.rgb, 422, "nir[0]: expected 1 band, got RGB"),
    ("nir", lambda tile: FLAT, 422, "nir[0]: empty band, every pixel is 7"),
    ("nir", lambda tile: encode(np.arange(576, dtype=np.uint8).reshape(24, 24)), 422, "nir[0]: 24x24 px, but the rgb"),
    ("valid_mask", lambda tile: encode(HALF * 0, "PNG"), 422, "tile 0: no valid pixel"),
    ("valid_mask", lambda tile: encode(HALF[:24], "PNG"), 422, "valid_mask[0]: 48x24 px, but the rgb has 48x48 px"),
    ("valid_mask", lambda tile: tile.nir, 422, "valid_mask[0]: not a readable"),
    ("valid_mask", lambda tile: encode(HALF // 2 + 3, "PNG"), 422, "valid_mask[0]: expected the values 0 and 255"),
    ("rgb", lambda tile: png(header(20_000, 20_000)), 413, "rgb[0]: 20000x20000 px, at most 8192 px a side are read"),
    ("rgb", lambda tile: png(header(1_001, 1_000)), 413, "rgb[0]: 1001x1000 px, at most 1,000,000 pixels are taken"),
    ("rgb", lambda tile: cmyk(), 422, "rgb[0]: a JPEG in CMYK, or of an unusual subsampling; save it as RGB"),
]


@pytest.mark.parametrize(("name", "content", "status", "text"), TILES)
def test_a_tile_that_no_run_would_keep_is_refused(server, models, name, content, status, text):
    images = images_of(models.tiles[:1])
    images[name] = [content(models.tiles[0])]
    body, headers = in_binary(images)
    with server.client() as client:
        response = client.post(INFER, content=body, headers=headers)

    assert response.status_code == status, response.text
    assert line_of(response).startswith(text)


def test_the_tile_of_a_batch_that_is_refused_is_named(server, models):
    images = images_of(models.tiles[:5])
    images["nir"][3] = FLAT
    body, headers = in_binary(images)
    with server.client() as client:
        response = client.post(INFER, content=body, headers=headers)

    assert (response.status_code, line_of(response)) == (422, "nir[3]: empty band, every pixel is 7")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v3", 404, "no such path; GET /docs lists those that there are"),
        ("GET", "/v2/models/other", 404, "no model 'other'; this server has 'agrivision'"),
        ("POST", "/v2/models/other/infer", 404, "no model 'other'; this server has 'agrivision'"),
        ("GET", f"/v2/models/{NAME}/versions/x", 404, "no version 'x' of agrivision; this server has "),
        ("POST", f"/v2/models/{NAME}/versions/x/infer", 404, "no version 'x' of agrivision; this server has "),
        ("GET", INFER, 405, "method 'GET' is not allowed here; expected POST"),
        ("DELETE", "/v2", 405, "method 'DELETE' is not allowed here; expected "),
    ],
)
def test_paths_and_methods_that_there_are_not_are_told_apart(server, method, path, status, text):
    with server.client() as client:
        response = client.request(method, path, headers=JSON if method == "POST" else {})

    assert response.status_code == status
    assert line_of(response).startswith(text)
    assert ("allow" in response.headers) is (status == 405)


def test_what_is_no_http_is_refused_in_one_line(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b'{"error":"not a readable HTTP request"}\n')


def test_refusals_are_counted_by_their_reason(server, models):
    with server.client() as client:
        client.post(INFER, content=b"{", headers=JSON)
        post(client, models.tiles[:1])
        text = client.get("/metrics").text

    for line in (
        'agrivision_serve_requests_total{code="400"} ',
        'agrivision_serve_requests_total{code="200"} ',
        'agrivision_serve_refused_total{reason="malformed"} ',
        f'agrivision_serve_model_info{{name="{NAME}",version="{models.first}"}} 1.0',
        "agrivision_serve_ready 1.0",
        "agrivision_serve_queue_tiles 0.0",
        "agrivision_serve_held_bytes 0.0",
    ):
        assert line in text
