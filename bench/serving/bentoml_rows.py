"""The server of tiles against BentoML, both as they come: the same model, tiles and number of clients.

BentoML has an environment of its own, because its dependencies and ours exclude each other:

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install bentoml==1.4.40 'tensorflow-cpu==2.21.*'
    python -m bench --only serve_vs_bentoml --bentoml FOLDER
"""

import itertools
import os
from pathlib import Path

from bench.pairs import Row
from bench.run_settings import Setup
from bench.serving.against_peer import against_peer
from bench.serving.closed_loop import Request
from bench.serving.peer_server import PeerServer, free_ports
from bench.serving.serve_rows import DEMO, NUM_CLIENTS, tiles_of
from bench.serving.server_under_test import served_model
from components.measuring.turns import Turn
from components.records.tile_record import Record

_SERVICE = Path(__file__).parent / "peers" / "bentoml_tiles.py"
_BOUNDARY = "of-the-parts-of-a-tile"
_TYPES = {"rgb": "image/jpeg", "nir": "image/jpeg", "valid_mask": "image/png"}


def serve_vs_bentoml(setup: Setup, target: float | None) -> Row:
    """Tiles/s of both servers as they come, with the backbone of the demo."""
    how = "BentoML with its own defaults, JPEG as files of a form"
    return against_peer("serve_vs_bentoml", setup, target, setup.bentoml, "bentoml", how, _turn(setup))


def _turn(setup: Setup) -> Turn:
    made: list[tuple[PeerServer, list[Request]]] = []

    def turn() -> float:
        if not made:
            made.append(
                (_server(setup), [_form_of(tile) for tile in itertools.islice(tiles_of(setup), setup.num_tiles)])
            )
        server, requests = made[0]
        return server.rate(requests, NUM_CLIENTS)

    return turn


def _server(setup: Setup) -> PeerServer:
    assert setup.bentoml is not None
    (port,) = free_ports(1)
    return PeerServer(
        "BentoML",
        setup.bentoml,
        ["bentoml", "serve", f"{_SERVICE.stem}:Tiles", "--host", "127.0.0.1", "--port", str(port)],
        {_SERVICE.name: _SERVICE.read_text()},
        port,
        "/readyz",
        "/classify",
        {
            "TILES_MODEL": os.fspath(served_model(setup, *DEMO).resolve()),
            "BENTOML_DO_NOT_TRACK": "true",
            "BENTOML_HOME": os.fspath((setup.folder / "bentoml").resolve()),
        },
    )


def _form_of(record: Record) -> Request:
    parts = []
    for name, media_type in _TYPES.items():
        disposition = f'Content-Disposition: form-data; name="{name}"; filename="{name}"'
        start = f"--{_BOUNDARY}\r\n{disposition}\r\nContent-Type: {media_type}\r\n\r\n"
        parts += [start.encode(), getattr(record, name), b"\r\n"]
    body = b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
