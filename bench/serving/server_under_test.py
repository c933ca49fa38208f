"""A server of tiles for the bench: the model that it serves, its process, and clients that ask it."""

import concurrent.futures
import dataclasses
import http.client
import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.run_settings import Setup
from bench.serving.closed_loop import Request, closed_loop, connection_to
from components.records.tile_record import Record

VERSION = "bench"
_NAME = "agrivision"
_HEADER = "Inference-Header-Content-Length"
_PATH = f"/v2/models/{_NAME}/infer"


def served_model(setup: Setup, backbone: str, image_size_px: int) -> Path:
    """Returns the folder of a version for both sides, made once for a row; its weights are random."""
    folder = setup.folder / f"served-{backbone}-{image_size_px}"
    version = folder / "models" / "versions" / VERSION
    if setup.side:
        return version
    from components.contracts import ModelCard, Scores
    from components.push.serving import save_serving_model
    from components.records import tfrecords
    from components.registry import CARD
    from components.saved_model.files import digests
    from components.train.model.export import Classifier, export
    from components.train.model.model import build_model

    shutil.rmtree(folder, ignore_errors=True)
    manifest = setup.dataset.manifest
    train = manifest.splits["train"]
    model = build_model(backbone, image_size_px, len(manifest.classes), train.band_mean, train.band_std)
    stored_px = int(next(iter(manifest.tile_sizes)).split("x")[0])
    ratio = int(tfrecords.decoder_ratio(list(manifest.tile_sizes), image_size_px))
    classifier = Classifier(model, manifest.bands, image_size_px, ratio, single_label=False)
    export(classifier, str(folder / "export"), is_chief=True)
    about: dict[str, Any] = {
        "version": VERSION,
        "training_id": "bench",
        "manifest_sha256": "0" * 64,
        "backbone": backbone,
        "label_mode": "multi_label",
        "classes": manifest.classes,
        "bands": manifest.bands,
        "image_size_px": image_size_px,
        "thresholds": (0.5,) * len(manifest.classes),
        "config": {},
        "scores": Scores(macro_f1=0.5, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={}),
        "num_test_tiles": 1,
        "stored_px": stored_px,
        "usage": {},
    }
    save_serving_model(folder / "export", ModelCard(**about), version)
    ModelCard(**about, files=digests(str(version))).write(version / CARD)
    return version


def body_of(record: Record) -> Request:
    """Returns a request of one tile by the binary extension, and its headers."""
    images = {"rgb": record.rgb, "nir": record.nir, "valid_mask": record.valid_mask}
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": 4 + len(content)},
        }
        for name, content in images.items()
    ]
    start = json.dumps({"inputs": inputs}).encode()
    parts = b"".join(struct.pack("<I", len(content)) + content for content in images.values())
    return start + parts, {"Content-Type": "application/octet-stream", _HEADER: str(len(start))}


@dataclasses.dataclass
class ServerUnderTest:
    """A server that runs until `close`; `seconds_to_ready` from its start until it answers tiles."""

    model: Path | str
    options: Sequence[str] = ()
    seconds_to_ready: float = 0.0

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "pipeline.cli", "serve", str(self.model), "--port", "0", *self.options]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = None
        while found is None:
            found = re.search(r"listening on http://([\d.]+):(\d+)", self.process.stdout.readline())
            assert self.process.poll() is None, "the server has ended"
        self._address = found[1], int(found[2])
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        while self._status("/v2/health/ready") != 200:
            assert self.process.poll() is None, "the server has ended"
            time.sleep(0.02)
        self.seconds_to_ready = time.perf_counter() - started

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        connection.request("GET", path)
        return connection.getresponse().status

    def closed_loop(self, requests: Sequence[Request], num_clients: int) -> float:
        """Returns tiles/s of clients each of which asks again as soon as it is answered."""
        return closed_loop(self.connection, requests, num_clients)

    def paced(self, requests: Sequence[Request], rate: float) -> list[float]:
        """Returns the seconds of each answer to requests that come evenly at a rate, from when each was due."""
        local = threading.local()
        start = time.perf_counter() + 0.2

        def ask(number: int) -> float:
            if not hasattr(local, "ask"):
                local.ask = self.connection()
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            local.ask(requests[number])
            return time.perf_counter() - due

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            return list(pool.map(ask, range(len(requests))))

    def connection(self) -> Callable[[Request], None]:
        """Returns a client with a connection of its own, which fails unless it is answered."""
        return connection_to(self._address, _PATH)

    def memory_mb(self) -> tuple[float, float]:
        """Returns the memory of the server's process and of its model's, in MB; what they share is counted once."""
        children = [
            int(child)
            for task in Path(f"/proc/{self.process.pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        return _memory_mb(self.process.pid), sum(map(_memory_mb, children))

    def close(self) -> int:
        """Ends the server, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def _memory_mb(pid: int) -> float:
    found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1000
