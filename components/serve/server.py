"""Runs the server: its socket, its signals, and its end, at which accepted requests are finished."""

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from components.errors import SettingsError
from components.progress import log
from components.registry.signature import read_verify_key
from components.serve.app import make_app
from components.serve.connection import BoundedConnection
from components.serve.drift.windows import Windows
from components.serve.following import Following
from components.serve.guard import LARGEST_HEADERS, Guard
from components.serve.inference import Inference
from components.serve.metrics import ServerMetrics
from components.serve.settings import ANY_NAME, ServeSettings
from components.serve.wanted_model import WantedModel
from components.storage.scratch import remove_dead_folders

_LOOK_SECONDS = 0.05
_CLOSE_SECONDS = 5  # for connections to close, after the last request
# The event loop's thread and those that check tiles take turns. By default one may keep the others waiting, and a core
# idle, for 5 ms, in which a tile could be decoded.
_TURN_SECONDS = 5e-5
_STEP = "serve"


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the signals to run_server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_server(uri: str, settings: ServeSettings) -> None:
    """Serves the model that a channel names, or that of a version's folder, until SIGTERM or Ctrl-C.

    Raises:
      SettingsError: if there is no model, no key to verify it by, or the address cannot be listened on.
      DataError: if the first model cannot be loaded.
    """
    # Whatever an image is, no TensorFlow is loaded into the process that faces the network.
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    verify_key = read_verify_key(settings.verify_key) if settings.verify_key else None
    wanted = WantedModel(uri, settings.channel, settings.expect_sha256, verify_key)
    if removed := remove_dead_folders():
        log(_STEP, f"removed {removed} {'folder' if removed == 1 else 'folders'} that killed processes had left here")
    with _listening(settings) as listener:
        sys.setswitchinterval(_TURN_SECONDS)
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(_serve(wanted, settings, listener))


@contextlib.contextmanager
def _listening(settings: ServeSettings) -> Iterator[socket.socket]:
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server(found[0][4][:2], family=found[0][0], backlog=settings.max_connections)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0  # of getaddrinfo's errors, less than 0
        reason = os.strerror(number) if number > 0 else "it is no address of this machine"
        raise SettingsError(
            f"cannot listen on {host!r} port {port}: {reason}; choose another --host or --port"
        ) from error
    with listener:
        yield listener


async def _serve(wanted: WantedModel, settings: ServeSettings, listener: socket.socket) -> None:
    metrics = ServerMetrics()
    windows = Windows(lambda text: log(_STEP, text), settings.drift_to, settings.drift_seconds)
    following = Following(wanted, settings, metrics, lambda text: log(_STEP, text))
    inference = Inference(following, settings, metrics, windows)
    app = Guard(make_app(following, inference, settings, metrics, windows), _names(listener, settings), metrics)
    server = _Server(_config(app, settings, metrics))
    # What is imported stays, and looking through it for garbage stops all requests for some tens of milliseconds.
    gc.collect()
    gc.freeze()
    ended, hurried = asyncio.Event(), asyncio.Event()

    def end() -> None:
        (hurried if ended.is_set() else ended).set()  # who asks twice does not want to wait

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    serving = asyncio.create_task(server.serve([listener]))
    all_answered = asyncio.Event()
    writing = asyncio.create_task(windows.write_until(all_answered))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(_LOOK_SECONDS)
        _say_where(listener)
        await _follow_until(ended, hurried, following, inference, settings)
    finally:
        server.should_exit = True
        await serving
        all_answered.set()
        await writing


async def _follow_until(
    ended: asyncio.Event, hurried: asyncio.Event, following: Following, inference: Inference, settings: ServeSettings
) -> None:
    """Follows the channel until the server is to end, and then until accepted requests are answered."""

    async def follow() -> None:
        async with following.following():
            await ended.wait()
            following.is_ending = True
            await _drain(hurried, inference, settings)

    work, end = asyncio.create_task(follow()), asyncio.create_task(ended.wait())
    await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
    if not following.has_begun:  # the first model is still being loaded, or could not be
        following.is_ending = True
        work.cancel()
    end.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _drain(hurried: asyncio.Event, inference: Inference, settings: ServeSettings) -> None:
    log(_STEP, f"ending; requests that are answered first: {inference.admission.num_requests}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.drain_seconds):
            while inference.admission.num_requests and not hurried.is_set():
                await asyncio.sleep(_LOOK_SECONDS)
    left = inference.admission.num_requests
    log(_STEP, f"ended with {left} requests unanswered" if left else "ended; every request was answered")


def _names(listener: socket.socket, settings: ServeSettings) -> set[str]:
    """Returns the names that clients may use. What others can reach is not kept from pages by its name."""
    if settings.names:
        return {*settings.names, settings.host.lower()}
    return {settings.host.lower()} if _is_loopback(listener) else {ANY_NAME}


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _config(app: Guard, settings: ServeSettings, metrics: ServerMetrics) -> uvicorn.Config:
    limits = {
        "header_seconds": settings.header_seconds,
        "request_seconds": settings.body_seconds + 2 * settings.answer_seconds,
        "most_connections": settings.max_connections,
        "metrics": metrics,
    }
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # of defects; whoever sends no HTTP fills no log
    return uvicorn.Config(
        app,
        http=type("Connection", (BoundedConnection,), limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
        timeout_keep_alive=int(settings.header_seconds) + 1,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )


def _say_where(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log(_STEP, f"listening on http://{shown}:{port}")
    if not _is_loopback(listener):
        log(
            _STEP,
            "warning: others can reach this address; the server asks nobody for a password and encrypts nothing, so "
            "put it behind what does",
        )
