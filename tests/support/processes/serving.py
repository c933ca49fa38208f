"""A server of tiles as a process of its own, how it is asked, and what the model itself answers."""

import base64
import contextlib
import dataclasses
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from components.records.tile_record import Record

ROOT = Path(__file__).parents[3]
HEADER = "Inference-Header-Content-Length"
BINARY = {"Content-Type": "application/octet-stream"}
NAME = "agrivision"
INFER = f"/v2/models/{NAME}/infer"
_START_SECONDS = 120.0


@dataclasses.dataclass
class Served:
    """A running server; `lines` is its log so far."""

    process: "subprocess.Popen[str]"
    lines: list[str]
    url: str = ""

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def wait_for_line(self, pattern: str, seconds: float = _START_SECONDS) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in [*self.lines]:
                if re.search(pattern, line):
                    return line
            assert self.process.poll() is None or time.monotonic() < deadline - seconds + 2, self.lines
            time.sleep(0.02)
        raise AssertionError(f"no line {pattern!r} in {self.lines}")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with self.client() as client:
            while client.get("/v2/health/ready").status_code != 200:
                assert time.monotonic() < deadline, self.lines
                assert self.process.poll() is None, self.lines
                time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def served(model: Path | str, *options: str, is_ready: bool = True) -> Iterator[Served]:
    """Runs `agrivision serve` on a free port, and kills it in the end."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(model), "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    running = Served(process, [])
    reader = threading.Thread(target=lambda: running.lines.extend(iter(process.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        running.url = running.wait_for_line(r"listening on (http://\S+)").split()[-1]
        if is_ready:
            running.wait_until_ready()
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join(5)
        process.stdout.close()


def images_of(records: Sequence[Record]) -> dict[str, list[bytes]]:
    return {name: [getattr(record, name) for record in records] for name in ("rgb", "nir", "valid_mask")}


def in_json(images: Mapping[str, Sequence[bytes]], **more: Any) -> dict[str, Any]:
    """Returns a request with its images as base64."""
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(contents)],
                "datatype": "BYTES",
                "parameters": {"content_type": "base64"},
                "data": [base64.b64encode(content).decode() for content in contents],
            }
            for name, contents in images.items()
        ],
        **more,
    }


def in_binary(images: Mapping[str, Sequence[bytes]], **more: Any) -> tuple[bytes, dict[str, str]]:
    """Returns a request of the binary extension: its body and its headers."""
    import json

    parts = {
        name: b"".join(struct.pack("<I", len(content)) + content for content in contents)
        for name, contents in images.items()
    }
    inputs = [
        {
            "name": name,
            "shape": [len(images[name])],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(part)},
        }
        for name, part in parts.items()
    ]
    document = json.dumps({"inputs": inputs, **more}).encode()
    return document + b"".join(parts.values()), {**BINARY, HEADER: str(len(document))}


def post(client: httpx.Client, records: Sequence[Record], **more: Any) -> httpx.Response:
    body, headers = in_binary(images_of(records), **more)
    return client.post(INFER, content=body, headers=headers)


def outputs_of(response: httpx.Response) -> dict[str, np.ndarray]:
    """Returns the outputs of an answer in JSON."""
    assert response.status_code == 200, response.text
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in response.json()["outputs"]}


def resident_mb(pid: int) -> float:
    """Returns the memory that a process has written to and shares with none, in MB, without its children.

    The pages of libraries that it only reads become "private" when the last other process that has them ends.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(number) for number in re.findall(r"^Private_Dirty: +(\d+) kB", text, re.MULTILINE)) / 1000


def children_of(pid: int) -> list[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found |= {int(child) for child in (task / "children").read_text().split()}
    return sorted(found)


def number_of(client: httpx.Client, name: str) -> float:
    """Returns a number that the server's metrics show."""
    found = re.search(rf"^agrivision_serve_{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


@contextlib.contextmanager
def stopped_model(running: Served) -> Iterator[None]:
    """Lets the model's process sleep, so that whatever is asked waits."""
    process = max(children_of(running.process.pid))
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
