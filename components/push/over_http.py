"""Asks the server of tiles about a model before it is pushed: over HTTP, by the same command as anybody who serves it.

The server is an extra, which the images of the steps have and a laptop may not. It is started as a command, because a
step knows nothing of what serves its outcome; the model itself was verified before, so a server that does not get ready
on a busy machine is told and no error, while one that answers otherwise is.
"""

import contextlib
import http.client
import importlib.util
import json
import os
import queue
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import environment, storage
from components.contracts import Evaluation, Manifest, ModelCard
from components.errors import EXIT_DATA, DataError
from components.push.decided import decided_alike
from components.push.sample import read_sample
from components.push.verify import sample_batches
from components.push.verify_places import TOLERANCE
from components.records.tile_record import Record

_NEEDED = ("prometheus_client", "starlette", "uvicorn")
_READY_SECONDS, _ANSWER_SECONDS, _END_SECONDS = 90.0, 60.0, 10.0
_MOST_TILES = 16
_MOST_PIXELS = 1 << 30  # the limits of strangers' requests are not what is tried
_MOST_ANSWER_BYTES = 64 << 20
_LENGTH = struct.Struct("<I")
_LISTENING = re.compile(r"listening on http://([\d.]+):(\d+)")
_PATH = "/v2/models/agrivision/infer"

Ask = Callable[[Sequence[Record]], dict[str, list[Any]]]


def verify_over_http(
    model_uri: str, card: ModelCard, data_root: str, manifest: Manifest, evaluation: Evaluation
) -> str:
    """Asks a server about some test tiles; returns a line for the log.

    Args:
      model_uri: The model's folder, with its card.

    Raises:
      DataError: if the server refuses the model or a tile, or an answer differs from the evaluation's.
    """
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        return f"no server was asked over HTTP: {', '.join(missing)} of the extra `serve` is not installed here"
    if storage.is_remote(model_uri):
        return "no server was asked over HTTP: the version lies on a bucket, and was asked when it was first pushed"
    started = time.monotonic()
    kept = read_sample(data_root, evaluation, len(card.classes))
    records = next(iter(sample_batches(data_root, manifest, set(kept.row_of_tile))), ())[:_MOST_TILES]
    rows = [kept.row_of_tile[record.tile_id] for record in records]
    try:
        with _server(model_uri) as ask:
            answers = [ask([each]) for each in records[:1]] + [ask(records)]
    except _NotReady as error:
        return f"no server was asked over HTTP: {error}"
    for part, answer in zip((rows[:1], rows), answers, strict=True):
        _compare(answer, kept.probabilities[part], kept.predicted[part], card)
    return f"a server answered {len(records)} of them over HTTP, in {time.monotonic() - started:.1f} s with its start"


def _compare(
    answer: dict[str, list[Any]],
    expected: NDArray[np.float32],
    expected_predicted: NDArray[np.bool_],
    card: ModelCard,
) -> None:
    try:
        probabilities = np.array(answer["probabilities"], np.float64).reshape(expected.shape)
        predicted = np.array(answer["predicted"], np.bool_).reshape(expected.shape)
    except (KeyError, ValueError) as error:
        raise DataError(f"a server that is asked about it answers no probabilities and decisions: {error}") from error
    difference = np.abs(probabilities - expected).max()
    if not difference <= TOLERANCE:
        raise DataError(
            f"a server that is asked about it answers {difference:.2g} off, expected at most {TOLERANCE:.0e}"
        )
    if not decided_alike(predicted, expected_predicted, expected, card).all():
        raise DataError("a server that is asked about it decides otherwise than it was evaluated")


class _NotReady(Exception):
    """No server could be started here, whatever the model is like."""


@contextlib.contextmanager
def _server(folder: str) -> Iterator[Ask]:
    """Yields what asks a server of a version's folder on this machine."""
    limits = ("tile-pixels", "request-pixels", "queue-pixels", "batch-pixels")
    options = [text for name in limits for text in (f"--{name}", str(_MOST_PIXELS))]
    variables = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TMPDIR": tempfile.gettempdir(),
        "HOME": tempfile.gettempdir(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "serve", folder, "--port", "0", "--request-mib", "256", *options],
        env=environment.environment_without_secrets(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda: _read_lines(process, lines), daemon=True).start()
    try:
        host, port = _address(process, lines)
        yield lambda records: _answer(host, port, records)
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read_lines(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line.strip())
    lines.put("")


def _address(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> tuple[str, int]:
    """Waits until the server's model answers; returns the server's address."""
    deadline, address, last = time.monotonic() + _READY_SECONDS, None, ""
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise _NotReady(f"it was not ready within {_READY_SECONDS:.0f} s") from None
        if not line:
            code = process.wait()
            if code == EXIT_DATA:
                raise DataError(f"a server refuses it: {last}")
            raise _NotReady(f"it ended with {code}: {last or 'no reason'}")
        last = line
        if found := _LISTENING.search(line):
            address = found[1], int(found[2])
        elif address and " answers, loaded and asked" in line:
            return address


def _answer(host: str, port: int, records: Sequence[Record]) -> dict[str, list[Any]]:
    """Returns the server's outputs for some tiles, flat."""
    inputs, parts = [], []
    for name in ("rgb", "nir", "valid_mask"):
        contents = [getattr(record, name) for record in records]
        if name == "nir" and not any(contents):
            continue
        part = b"".join(_LENGTH.pack(len(content)) + content for content in contents)
        about = {"name": name, "shape": [len(records)], "datatype": "BYTES"}
        inputs.append({**about, "parameters": {"binary_data_size": len(part)}})
        parts.append(part)
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", _PATH, b"".join([head, *parts]), headers)
        response = connection.getresponse()
        text = response.read(_MOST_ANSWER_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"a server that is asked about it does not answer: {type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise DataError(f"a server that is asked about it answers {response.status}: {text[:300]}")
    return {each["name"]: each["data"] for each in json.loads(text)["outputs"]}
