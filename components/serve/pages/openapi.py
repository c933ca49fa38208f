"""What the server answers, as OpenAPI 3.1: data, from which the page /docs is made, too."""

from typing import Any

from components.serve.answer import DATATYPES, HEADER
from components.serve.message import BASE64, BINARY, BINARY_SIZE, BYTES, CONTENT_TYPE

_JSON, _BINARY = "application/json", "application/octet-stream"
_STRING, _TRUE = {"type": "string"}, {"type": "boolean", "const": True}
_ERRORS = {
    "400": "Malformed: the line names the input, what was expected and what came.",
    "403": "The request came from a web page of another site, or by a name that the server does not know.",
    "404": "No such model or version.",
    "405": "Another method is expected.",
    "408": "The body did not come in time.",
    "413": "Too many bytes, tiles or pixels.",
    "415": "A body of another type.",
    "422": "A tile that cannot be used: damaged, of the wrong bands or size.",
    "431": "The headers are too large.",
    "503": "Not now: the queue is full, no model is loaded, or the server is ending. Ask again after Retry-After.",
}


def openapi(name: str) -> dict[str, Any]:
    """Returns the document for a model of this name."""
    model = f"/v2/models/{name}"
    version = f"{model}/versions/{{version}}"
    paths: dict[str, Any] = {
        "/": _get("A page to try it: drop a tile, see its bands, NDVI and probabilities.", "text/html", _STRING),
        "/docs": _get("This document for people.", "text/html", _STRING),
        "/openapi.json": _get("This document.", _JSON, {"type": "object"}),
        "/metrics": _get("ServerMetrics for Prometheus.", "text/plain", _STRING),
        "/v2": _get("The server.", _JSON, _ref("Server")),
        "/v2/health/live": _get("Whether the server runs.", _JSON, _object({"live": _TRUE})),
        "/v2/health/ready": _get("Whether a model answers.", _JSON, _object({"ready": _TRUE}), "503"),
    }
    for path, errors in ((model, ("503",)), (version, ("404", "503"))):
        ready = _object({"name": _STRING, "version": _STRING, "ready": _TRUE})
        paths[path] = _get("The model: inputs, outputs, classes, thresholds.", _JSON, _ref("Model"), *errors)
        paths[f"{path}/ready"] = _get("Whether the model answers.", _JSON, ready, *errors)
        paths[f"{path}/drift"] = _get("Sums of what was answered.", _JSON, {"type": "object"}, *errors)
        paths[f"{path}/infer"] = {"post": _infer()}
        if path == version:
            for each in (path, f"{path}/ready", f"{path}/drift", f"{path}/infer"):
                paths[each]["parameters"] = [_parameter("version", "path", "The version's name.", True)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "agrivision serve",
            "version": "2",
            "summary": "Crop patterns in aerial tiles, by the V2 inference protocol.",
        },
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _get(summary: str, kind: str, schema: dict[str, Any], *errors: str) -> dict[str, Any]:
    return {
        "get": {"summary": summary, "responses": {"200": _response("The answer.", kind, schema), **_refused(errors)}}
    }


def _infer() -> dict[str, Any]:
    both = {_JSON: {"schema": _ref("Request")}, _BINARY: {"schema": {"type": "string", "format": "binary"}}}
    answer = {_JSON: {"schema": _ref("Answer")}, _BINARY: {"schema": {"type": "string", "format": "binary"}}}
    return {
        "summary": "Asks about tiles: images as base64 in JSON, or as they are by the binary extension.",
        "description": f"With {_BINARY} the body begins with JSON, whose length is {HEADER}; the inputs' bytes follow "
        "in their order. Each element is its length in 4 bytes, little-endian, and its content.",
        "parameters": [_parameter(HEADER, "header", "Bytes of the JSON, with the binary extension.", False)],
        "requestBody": {"required": True, "content": both},
        "responses": {"200": {"description": "The model's answers.", "content": answer}, **_refused(_ERRORS)},
    }


def _parameter(name: str, place: str, meaning: str, is_required: bool) -> dict[str, Any]:
    schema = _STRING if place == "path" else {"type": "integer", "minimum": 1}
    return {"name": name, "in": place, "description": meaning, "required": is_required, "schema": schema}


def _refused(codes: Any) -> dict[str, Any]:
    return {code: _response(_ERRORS[code], _JSON, _ref("Error")) for code in codes}


def _response(meaning: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": meaning, "content": {kind: {"schema": schema}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any], required: tuple[str, ...] | None = None, **more: Any) -> dict[str, Any]:
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names, **more}


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _schemas() -> dict[str, Any]:
    shape = _list({"type": "integer"})
    closed = {"additionalProperties": False}
    tensor = _object({"name": _STRING, "datatype": {"enum": [BYTES, "FP32", "BOOL"]}, "shape": shape})
    size = {"type": "integer", "minimum": 0, "description": "Bytes of this tensor after the JSON."}
    data = _list(_STRING, description="Images as base64; absent with the binary extension.")
    of_input = _object({CONTENT_TYPE: {"const": BASE64}, BINARY_SIZE: size}, ())
    one_input = _object(
        {
            "name": {"enum": ["rgb", "nir", "valid_mask"]},
            "shape": _list({"type": "integer", "minimum": 1}, minItems=1, maxItems=1),
            "datatype": {"const": BYTES},
            "parameters": of_input,
            "data": data,
        },
        ("name", "shape", "datatype"),
        **closed,
    )
    wanted = _object(
        {"name": {"enum": [*DATATYPES]}, "parameters": _object({BINARY: {"type": "boolean"}}, ())}, ("name",), **closed
    )
    values = {"anyOf": [_list({"type": "number"}), _list({"type": "boolean"}), _list(_STRING)]}
    output = _object(
        {
            "name": {"enum": [*DATATYPES]},
            "datatype": {"enum": ["FP32", "BOOL", BYTES]},
            "shape": shape,
            "data": values,
            "parameters": _object({BINARY_SIZE: size}, ()),
        },
        ("name", "datatype", "shape"),
    )
    return {
        "Error": _object({"error": {"type": "string", "description": "One line."}}),
        "Server": _object({"name": _STRING, "version": _STRING, "extensions": _list(_STRING)}),
        "Model": _object(
            {
                "name": _STRING,
                "versions": _list(_STRING),
                "platform": _STRING,
                "inputs": _list(tensor),
                "outputs": _list(tensor),
                "parameters": {"type": "object"},
            }
        ),
        "Request": _object(
            {
                "id": _STRING,
                "parameters": {"type": "object"},
                "inputs": _list(one_input, minItems=1),
                "outputs": _list(wanted),
            },
            ("inputs",),
            **closed,
        ),
        "Answer": _object(
            {
                "model_name": _STRING,
                "model_version": _STRING,
                "id": _STRING,
                "parameters": _object({"version": _STRING}),
                "outputs": _list(output),
            },
            ("model_name", "model_version", "outputs"),
        ),
    }
