"""The server of tiles against MLServer: the same model, tiles and number of clients.

In one row both are as they come: MLServer's runtime is written like its own ones (sklearn, xgboost, lightgbm, mlflow,
huggingface in its repository) and like its example of a TensorFlow model of images (docs/examples/cassava). They all
ask the model in the coroutine, so that the worker waits for it, and have no batching. In the other row MLServer has
what makes it fastest here, and ours is as it comes.

MLServer has an environment of its own, because its dependencies and ours exclude each other:

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install mlserver==1.7.1 'tensorflow-cpu==2.21.*' uvloop==0.21.0
    python -m bench --only serve_vs_mlserver --mlserver FOLDER

With a later uvloop its workers end at once, with "There is no current event loop in thread 'MainThread'".
"""

import base64
import itertools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.pairs import Row
from bench.run_settings import Setup
from bench.serving.against_peer import against_peer
from bench.serving.closed_loop import Request
from bench.serving.peer_server import PeerServer, free_ports
from bench.serving.serve_rows import BATCH_TILES, DEMO, NUM_CLIENTS, tiles_of
from bench.serving.server_under_test import served_model
from components.measuring.turns import Turn
from components.records.tile_record import Record

_RUNTIME = Path(__file__).parent / "peers" / "mlserver_tiles.py"
_NAME = "tiles"
_WAIT_SECONDS = 0.01  # for a batch to fill
_WORKERS = (0, 1, 2)  # of its processes; 0 answers in the one that speaks HTTP
_DEFAULT_WORKERS = 1
_THREADS = 2  # of a tuned worker, in which it asks its model; these alone, without batching, make it 1.5 times as fast


def serve_vs_mlserver(setup: Setup, target: float | None) -> Row:
    """Tiles/s of both servers as they come, with the backbone of the demo."""
    how = (
        f"MLServer with its own defaults, {_DEFAULT_WORKERS} worker and no batching, and a runtime "
        "like its own, which wait for the model; JPEG as base64"
    )
    turn = _turn(setup, (_DEFAULT_WORKERS,), batches=False)
    return against_peer("serve_vs_mlserver", setup, target, setup.mlserver, "mlserver", how, turn)


def serve_vs_tuned_mlserver(setup: Setup, target: float | None) -> Row:
    """The same with threads for the model, the batching of MLServer, and as many workers as are fastest here."""
    how = (
        f"MLServer with {_THREADS} threads that ask the model, adaptive batching up to {BATCH_TILES} tiles and "
        f"{_WAIT_SECONDS:g} s, and of "
        f"{', '.join(map(str, _WORKERS))} workers those that were the fastest before the first round, JPEG as base64"
    )
    turn = _turn(setup, _WORKERS, batches=True)
    return against_peer("serve_vs_tuned_mlserver", setup, target, setup.mlserver, "mlserver", how, turn)


def _turn(setup: Setup, numbers: Sequence[int], *, batches: bool) -> Turn:
    made: list[Any] = []

    def turn() -> float:
        if not made:
            requests = [_body_of(tile) for tile in itertools.islice(tiles_of(setup), setup.num_tiles)]
            rates = {workers: _tried(setup, workers, requests, batches=batches) for workers in numbers}
            if not max(rates.values()):
                raise RuntimeError(f"MLServer does not get ready, with {' or '.join(map(str, numbers))} workers")
            made.append(_server(setup, max(rates, key=lambda workers: rates[workers]), batches=batches))
            made.append(requests)
        server, requests = made
        return server.rate(requests, NUM_CLIENTS)

    return turn


def _tried(setup: Setup, workers: int, requests: list[Request], *, batches: bool) -> float:
    """Returns the rate with a number of workers, after as many requests that do not count; 0 if it does not start."""
    try:
        server = _server(setup, workers, batches=batches)
    except RuntimeError as error:
        print(f"with {workers} workers, {error}", file=sys.stderr)
        return 0.0
    try:
        server.rate(requests, NUM_CLIENTS)
        return server.rate(requests, NUM_CLIENTS)
    finally:
        server.close()


def _body_of(record: Record) -> Request:
    images = {"rgb": record.rgb, "nir": record.nir, "valid_mask": record.valid_mask}
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"content_type": "base64"},
            "data": [base64.b64encode(content).decode()],
        }
        for name, content in images.items()
    ]
    return json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"}


def _server(setup: Setup, workers: int, *, batches: bool) -> PeerServer:
    """Returns a running MLServer with the model."""
    assert setup.mlserver is not None
    ports = free_ports(3)
    server = {
        "host": "127.0.0.1",
        "http_port": ports[0],
        "grpc_port": ports[1],
        "metrics_port": ports[2],
        "parallel_workers": workers,
        "debug": False,
        "cache_enabled": False,
    }
    tiles: dict[str, Any] = {
        "name": _NAME,
        "implementation": f"{_RUNTIME.stem}.Tiles",
        "parameters": {
            "uri": os.fspath(served_model(setup, *DEMO).resolve()),
            "extra": {"threads": _THREADS if batches else 0},
        },
    }
    if batches:
        tiles |= {"max_batch_size": BATCH_TILES, "max_batch_time": _WAIT_SECONDS}
    files = {
        _RUNTIME.name: _RUNTIME.read_text(),
        "settings.json": json.dumps(server),
        "model-settings.json": json.dumps(tiles),
    }
    path = f"/v2/models/{_NAME}"
    command = ["mlserver", "start", "."]
    return PeerServer("MLServer", setup.mlserver, command, files, ports[0], f"{path}/ready", f"{path}/infer")
