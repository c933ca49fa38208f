"""The pages of the server, in a browser: to try a tile, and to read what the paths are."""

import io
import os
import re

import jsonschema
import numpy as np
import pytest
from browser import browser
from page_widths import needs_chromium
from PIL import Image
from serving import HEADER, INFER, images_of, in_binary, in_json, served

from components.serve.app import make_app
from components.serve.metrics import ServerMetrics
from components.serve.pages.openapi import openapi
from components.serve.settings import ServeSettings

WIDTHS = (400, 480, 1200)
DRAWN = "[...document.querySelectorAll('#rows .row')].map((row) => row.innerText.trim().split(/\\s*\\n\\s*/))"


@pytest.fixture
def files(models, tmp_path):
    """A tile of the dataset as files of a folder; its names are those of people."""
    paths = {"rgb": tmp_path / "field 7.jpg", "nir": tmp_path / "field 7 NIR.jpg", "mask": tmp_path / "mask.png"}
    tile = models.tiles[1]
    for path, content in zip(paths.values(), (tile.rgb, tile.nir, tile.valid_mask), strict=True):
        path.write_bytes(content)
    (tmp_path / "no image.jpg").write_bytes(b"hello")
    return paths | {"bad": tmp_path / "no image.jpg"}


def expected_rows(models, number):
    expected = models.expected[models.first]
    rows = zip(*(expected[name][number].tolist() for name in ("class_names", "probabilities", "predicted", "not_sure")))  # noqa: B905
    return sorted(
        (
            [name.decode().replace("_", " "), f"{probability:.3f}", "yes" if yes else "not sure" if unsure else "no"]
            for name, probability, yes, unsure in rows
        ),
        key=lambda row: -float(row[1]),
    )


@needs_chromium
@pytest.mark.slow
def test_a_person_tries_a_tile(server, models, files, tmp_path):
    with browser(tmp_path / "profile") as page:
        for width in WIDTHS:
            page.open(server.url, width)
            page.wait_for("document.body?.dataset.ready")
            assert page.wide() == []
            page.choose("#rgb", files["rgb"])
            page.wait_for("said.textContent.includes('needs the near infrared')")
            page.choose("#nir", files["nir"])
            page.choose("#valid_mask", files["mask"])
            page.wait_for("said.textContent.startsWith('Answered') && !answers.hidden")

            assert page.run(DRAWN) == expected_rows(models, 1)
            assert page.wide() == []
            assert page.run("document.getElementById('see-ndvi').width") == 48
            shown = []
            for number in range(3):
                page.run(f"document.querySelectorAll('#rows button')[{number}].click()")
                shown.append(page.run("[document.getElementById('where-class').textContent, where.hidden]"))
                for where in ("rgb", "nir"):
                    picture = page.run(f"document.getElementById('where-{where}').toDataURL()")
                    assert len(picture) > 500
                    shown[-1].append(picture)
            assert [each[:2] for each in shown] == [[row[0], False] for row in expected_rows(models, 1)]
            assert len({each[2] for each in shown}) == len({each[3] for each in shown}) == 3
            assert page.run("document.getElementById('no-maps').hidden")
            assert page.wide() == []
            if folder := os.environ.get("AGRIVISION_SCREENSHOTS"):
                page.picture(type(tmp_path)(folder) / f"try-{width}.png")
            page.choose("#rgb", files["bad"])
            page.wait_for("said.className === 'error'")
            assert page.run("said.textContent") == "rgb[0]: neither a JPEG nor a PNG"
            assert page.run("answers.hidden")

        # It has asked this server and nobody else. What it complains of is the refused tile.
        assert {url for url in page.asked if not url.startswith((server.url, "data:", "blob:"))} == set()
        assert [line for line in page.complaints if "422" not in line] == []


@needs_chromium
@pytest.mark.slow
def test_rgb_and_nir_that_are_dropped_together_are_told_apart(server, files, tmp_path):
    with browser(tmp_path / "profile") as page:
        page.open(server.url, 1200)
        page.wait_for("document.body?.dataset.ready")
        page.drop("#place-rgb", files["nir"], files["rgb"])
        page.wait_for("said.textContent.startsWith('Answered')")

        assert page.run("[rgb.files[0].name, nir.files[0].name]") == ["field 7.jpg", "field 7 NIR.jpg"]


@needs_chromium
@pytest.mark.long
def test_a_model_of_rgb_alone_asks_for_no_near_infrared(models, files, tmp_path):
    with served(models.rgb_uri) as running, browser(tmp_path / "profile") as page:
        page.open(running.url, 480)
        page.wait_for("document.body?.dataset.ready")
        assert page.run("document.getElementById('place-nir').hidden")
        page.choose("#rgb", files["rgb"])
        page.wait_for("said.textContent.startsWith('Answered')")

        assert sum(row[2] == "yes" for row in page.run(DRAWN)) == 1
        assert page.run("legend.textContent") == "The most probable class is the answer."


@needs_chromium
@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("dense", "The colour of a place tells what the model answers for that place. Orange: above its threshold"),
        ("earlier", "No map of where it sees a class: this version was pushed by a release that served no maps; the "),
    ],
)
def test_the_page_shows_maps_of_a_dense_head_and_says_why_an_earlier_version_has_none(
    other_models, files, tmp_path, kind, told
):
    with served(other_models[kind]) as running, browser(tmp_path / "profile") as page:
        page.open(running.url, 480)
        page.wait_for("document.body?.dataset.ready")
        page.choose("#rgb", files["rgb"])
        page.choose("#nir", files["nir"])
        page.wait_for("said.textContent.startsWith('Answered') && !answers.hidden")

        place, hidden = ("where-legend", "no-maps") if kind == "dense" else ("no-maps", "where")
        assert page.run(f"document.getElementById('{place}').textContent").startswith(told)
        assert page.run(f"document.getElementById('{hidden}').hidden")
        assert page.run("document.querySelectorAll('#rows button').length") == (3 if kind == "dense" else 0)
        assert page.wide() == page.complaints == []
        if folder := os.environ.get("AGRIVISION_SCREENSHOTS"):
            page.picture(type(tmp_path)(folder) / f"try-{kind}.png")


@needs_chromium
@pytest.mark.slow
def test_the_page_of_paths_fits_and_shows_each(server, tmp_path):
    with browser(tmp_path / "profile") as page:
        for width in WIDTHS:
            page.open(f"{server.url}/docs", width)
            page.wait_for("document.readyState === 'complete'")
            assert page.wide() == []
            text = page.run("document.body.innerText")
            assert [path for path in openapi("agrivision")["paths"] if path not in text] == []
            if folder := os.environ.get("AGRIVISION_SCREENSHOTS"):
                page.picture(type(tmp_path)(folder) / f"docs-{width}.png")
        assert page.complaints == []


def test_pages_load_nothing_from_elsewhere_and_forbid_it(server):
    with server.client() as client:
        for path in ("/", "/docs"):
            response = client.get(path)
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; ")
            assert "unsafe" not in policy
            assert response.headers["x-content-type-options"] == "nosniff"
            assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", response.text)


# OpenAPI.


def refs(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from refs(each)


def checked(document, name):
    """Returns a validator of one schema of the document."""
    return jsonschema.Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


def test_the_document_describes_every_path_and_no_other():
    settings = ServeSettings()
    app = make_app(None, None, settings, ServerMetrics(), None)
    methods = {(route.path.replace("{name}", settings.name), (route.methods - {"HEAD"}).pop()) for route in app.routes}
    document = openapi(settings.name)
    described = {
        (path, method.upper()) for path, of in document["paths"].items() for method in of if method in ("get", "post")
    }

    assert described == methods
    for path, of in document["paths"].items():
        named = {each["name"] for each in of.get("parameters", ()) if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))


def test_its_references_lead_to_schemas_that_are_sound():
    document = openapi("agrivision")
    schemas = document["components"]["schemas"]

    assert document["openapi"].startswith("3.1.")
    assert {ref.removeprefix("#/components/schemas/") for ref in refs(document)} <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for of in document["paths"].values():
        for operation in (of[method] for method in of if method != "parameters"):
            assert all(response["description"] for response in operation["responses"].values())


def test_requests_and_answers_are_as_it_says(server, models):
    with server.client() as client:
        document = client.get("/openapi.json").json()
        request = in_json(images_of(models.tiles[:2]), id="x", outputs=[{"name": "predicted"}])
        body, headers = in_binary(images_of(models.tiles[:2]), parameters={"binary_data_output": True})
        binary = client.post(INFER, content=body, headers=headers)
        found = {
            "Request": request,
            "Answer": client.post(INFER, json=request).json(),
            "Error": client.post(INFER, json={}).json(),
            "Server": client.get("/v2").json(),
            "Model": client.get(INFER.removesuffix("/infer")).json(),
        }

    assert document == openapi("agrivision")
    for name, instance in found.items():
        checked(document, name).validate(instance)
    import json

    checked(document, "Answer").validate(json.loads(binary.content[: int(binary.headers[HEADER])]))
    checked(document, "Request").validate(json.loads(body[: int(headers[HEADER])]))
    with pytest.raises(jsonschema.ValidationError, match="Additional properties are not allowed"):
        checked(document, "Request").validate({**request, "x": 1})


def test_every_status_of_an_inference_is_described(server, models):
    described = set(openapi("agrivision")["paths"][INFER]["post"]["responses"])

    assert described == {"200", "400", "403", "404", "405", "408", "413", "415", "422", "431", "503"}


def test_a_large_tile_is_drawn_small_and_asked_about_whole(server):
    pixels = np.random.default_rng(0).integers(0, 255, (640, 640, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=40)
    near = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(near, "JPEG", quality=40)
    with server.client() as client:
        body, headers = in_binary({"rgb": [buffer.getvalue()], "nir": [near.getvalue()]})
        assert client.post(INFER, content=body, headers=headers).status_code == 200
