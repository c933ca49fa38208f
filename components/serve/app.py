"""The paths of the server: the V2 inference protocol, what watches it, and two pages for people."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from components.serve.answer import DATATYPES
from components.serve.drift.windows import Windows
from components.serve.following import Following
from components.serve.inference import Inference
from components.serve.message import BYTES, MAPS
from components.serve.metrics import METRICS_TYPE, ServerMetrics
from components.serve.pages.docs_page import docs_page
from components.serve.pages.openapi import openapi
from components.serve.pages.try_page import policy_of, try_page
from components.serve.refusal import Refusal, as_response, error_body
from components.serve.served_model import ServedModel
from components.serve.settings import MIB, ServeSettings

_JSON = "application/json"
_MODEL = "/v2/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

_Respond = Callable[[Request], Awaitable[Response]]


class _Paths:
    """What each path answers."""

    def __init__(
        self,
        following: Following,
        inference: Inference,
        settings: ServeSettings,
        metrics: ServerMetrics,
        windows: Windows,
    ) -> None:
        self._windows = windows
        self._following, self._inference, self._settings, self._metrics = following, inference, settings, metrics
        self._openapi = msgspec.json.encode(openapi(settings.name))
        self._pages = {"try": try_page(settings.name), "docs": docs_page(openapi(settings.name))}

    def routes(self) -> list[Route]:
        """Returns every path with the methods that it knows."""
        read: list[tuple[str, _Respond]] = [
            ("/", self._page("try")),
            ("/docs", self._page("docs")),
            ("/openapi.json", self._described),
            ("/metrics", self._measured),
            ("/v2", self._server),
            ("/v2/health/live", self._live),
            ("/v2/health/ready", self._ready),
        ]
        for path in (_MODEL, _VERSION):
            read += [(path, self._metadata), (f"{path}/ready", self._model_ready), (f"{path}/drift", self._drift)]
        return [
            *(Route(path, respond, methods=["GET"]) for path, respond in read),
            *(Route(f"{path}/infer", self._infer, methods=["POST"]) for path in (_MODEL, _VERSION)),
        ]

    def _page(self, name: str) -> _Respond:
        html = self._pages[name]
        headers = {**_SAFE, "Content-Security-Policy": policy_of(html)}

        async def respond(request: Request) -> Response:
            return HTMLResponse(html, headers=headers)

        return respond

    async def _described(self, request: Request) -> Response:
        return Response(self._openapi, media_type=_JSON)

    async def _measured(self, request: Request) -> Response:
        self._metrics.ready.set(self._following.is_ready)
        return Response(self._metrics.page(), headers={"Content-Type": METRICS_TYPE})

    async def _server(self, request: Request) -> Response:
        return _as_json({"name": "agrivision", "version": "2", "extensions": ["binary_tensor_data"]})

    async def _live(self, request: Request) -> Response:
        return _as_json({"live": True})

    async def _ready(self, request: Request) -> Response:
        self._following.model()
        return _as_json({"ready": True})

    async def _model_ready(self, request: Request) -> Response:
        model = self._named(request)()
        return _as_json({"name": self._settings.name, "version": model.card.version, "ready": True})

    async def _metadata(self, request: Request) -> Response:
        model = self._named(request)()
        return _as_json(metadata(self._settings, model))

    async def _drift(self, request: Request) -> Response:
        window = self._windows.window(self._named(request)().card)
        return Response(window.to_json(), media_type=_JSON)

    async def _infer(self, request: Request) -> Response:
        return await self._inference.respond(request, self._named(request))

    def _named(self, request: Request) -> Callable[[], ServedModel]:
        """Returns what finds the model that a path names; it raises a Refusal if that is not the one served."""

        def find() -> ServedModel:
            name, version = request.path_params["name"], request.path_params.get("version")
            if name != self._settings.name:
                text = f"no model {name!r}; this server has {self._settings.name!r}"
                raise Refusal(HTTPStatus.NOT_FOUND, text, "not_found")
            model = self._following.model()
            if version not in (None, model.card.version):
                text = f"no version {version!r} of {name}; this server has {model.card.version}"
                raise Refusal(HTTPStatus.NOT_FOUND, text, "not_found")
            return model

        return find


def make_app(
    following: Following, inference: Inference, settings: ServeSettings, metrics: ServerMetrics, windows: Windows
) -> Starlette:
    """Returns the application; following must have been entered by whoever serves it."""
    return Starlette(
        routes=_Paths(following, inference, settings, metrics, windows).routes(),
        exception_handlers={Refusal: _refused, HTTPException: _not_routed, Exception: _failed},
    )


def metadata(settings: ServeSettings, model: ServedModel) -> dict[str, Any]:
    """Returns a model's metadata; the parameters are what a person needs to read its answers, and the limits."""
    card, maps, num_classes = model.card, model.maps, len(model.card.classes)
    low = card.not_sure.low if card.not_sure else None
    outputs: list[dict[str, Any]] = [
        {"name": each, "datatype": DATATYPES[each], "shape": [-1, num_classes]} for each in model.outputs
    ]
    if maps.kind:
        outputs.append({"name": MAPS, "datatype": DATATYPES[MAPS], "shape": [-1, -1, -1, num_classes]})
    return {
        "name": settings.name,
        "versions": [card.version],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": each, "datatype": BYTES, "shape": [-1]} for each in model.inputs],
        "outputs": outputs,
        "parameters": {
            "classes": card.classes,
            "bands": card.bands,
            "label_mode": card.label_mode,
            "thresholds": None if card.label_mode == "single_label" else card.thresholds,
            "no_below": low,
            "data_licence": card.data_licence,
            "maps": {"kind": maps.kind, "thresholds": maps.thresholds} if maps.kind else None,
            "why_no_maps": maps.why_none,
            "limits": {
                "tile_pixels": settings.tile_pixels,
                "request_pixels": settings.request_pixels,
                "request_tiles": settings.request_tiles,
                "request_tiles_with_maps": maps.most_tiles(True) if maps.kind else 0,
                "request_bytes": settings.request_mib * MIB,
            },
        },
    }


def _as_json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type=_JSON)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return as_response(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        text = "no such path; GET /docs lists those that there are"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        text = f"method {request.method[:20]!r} is not allowed here; expected {allowed}"
    refusal = Refusal(HTTPStatus(error.status_code), text, "not_routed", dict(error.headers or {}))
    return await _refused(request, refusal)


async def _failed(request: Request, error: Exception) -> Response:
    return Response(error_body("a defect of the server; its log has the reason"), 500, media_type=_JSON)
