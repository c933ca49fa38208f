"""Measures how long `agrivision retrain` takes for an unchanged source of generated names, against listing it.

The names come from a bucket: a server on this machine gives the pages of its listing, which were written beforehand,
and the project's own client of gs:// takes them. Both sides list the same pages.
"""

import hashlib
import http.server
import itertools
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pairs import BELOW, PASS, REPORTED, Row
from bench.scale_rows import generated_files

if TYPE_CHECKING:  # it imports TensorFlow, whose memory would count here
    from bench.run_settings import Setup
    from pipeline.parameters import Parameters

_PAGE = 1000  # names, as of Google's server
_BUCKET = "bench"
_LEAST_FILES_PER_TILE = 5
_MANY = 2_000_000  # names, of which one round takes minutes


def retrain_unchanged(setup: "Setup", target: float | None) -> Row:
    """Decides about an unchanged source in a process of its own, between two listings of it."""
    command = [sys.executable, "-m", "bench.retrain_rows", str(setup.scale_tiles)]
    environment = {**os.environ, "NO_GCE_CHECK": "true"}
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    details = json.loads(result.stdout.splitlines()[-1])
    rounds = details.pop("rounds")
    ratio = statistics.median(ours / other for ours, other in rounds)
    return Row(
        name="retrain_unchanged",
        verdict=REPORTED if target is None else PASS if ratio >= target else BELOW,
        ours=statistics.median(ours for ours, _ in rounds),
        other=statistics.median(other for _, other in rounds),
        ratio=ratio,
        rounds=rounds,
        unit="names/s",
        target=target,
        ours_is=f"agrivision retrain on an unchanged source of {details['names']:,} names in a bucket",
        other_is="listing the same names and nothing else",
        note=f"{details['processor_ratio']:.2f} by processor time; peak {details['peak_mb']:,.0f} MB",
        details=details,
    )


def _write_pages(path: Path, num_names: int) -> list[tuple[int, int]]:
    """Writes the pages of a listing; returns where each begins and ends in the file."""
    files = itertools.islice(generated_files(num_names // _LEAST_FILES_PER_TILE + 1), num_names)
    places, is_full = [], True
    with path.open("wb") as out:
        while is_full:
            items = [
                {"name": f"tiles/{file.path}", "size": str(file.num_bytes), "generation": file.version}
                for file in itertools.islice(files, _PAGE)
            ]
            is_full = len(items) == _PAGE
            more = {"nextPageToken": str(len(places) + 1)} if is_full else {}
            start = out.tell()
            out.write(json.dumps({"items": items, **more}).encode())
            places.append((start, out.tell()))
    return places


def _serve(path: Path, places: list[tuple[int, int]], ports: "multiprocessing.SimpleQueue[int]") -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            start, end = places[int(query.get("pageToken", "0"))]
            page = os.pread(pages, end - start, start)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    pages = os.open(path, os.O_RDONLY)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ports.put(server.server_port)
    server.serve_forever()


def _measure(num_names: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="agrivision-bench-") as folder:
        path = Path(folder) / "pages"
        places = _write_pages(path, num_names)
        context = multiprocessing.get_context("fork")
        ports: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
        server = context.Process(target=_serve, args=(path, places, ports), daemon=True)
        server.start()
        places.clear()
        os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{ports.get()}"
        try:
            return _compare(num_names, folder)
        finally:
            server.terminate()


def _compare(num_names: int, folder: str) -> dict[str, object]:
    from components import storage
    from components.progress import StepLog
    from pipeline.kubeflow.package import Package
    from pipeline.parameters import Parameters
    from pipeline.retrain.clock import SystemClock
    from pipeline.retrain.local_runs import LocalRuns
    from pipeline.retrain.retraining import Decided, Retraining, RetrainOrder
    from pipeline.retrain.settings import RetrainSettings

    source, data_root = f"gs://{_BUCKET}/tiles", f"{folder}/data"
    parameters = Parameters(source_uri=source, data_root=data_root, models_uri=f"{folder}/models")
    order = RetrainOrder(parameters=parameters, package=Package("", "bench"), settings=RetrainSettings())

    def rates(work: Callable[[], int]) -> tuple[float, float]:
        """Returns names per second, and per second of this process's own processor time."""
        start, start_cpu = time.perf_counter(), time.process_time()
        assert work() == num_names
        return num_names / (time.perf_counter() - start), num_names / (time.process_time() - start_cpu)

    def listing() -> int:
        return sum(1 for _ in storage.list_files(source))

    def deciding() -> int:
        answer = Retraining(order, LocalRuns(data_root), SystemClock(), StepLog("retrain")).decide()
        assert answer.decided is Decided.ANSWERED
        return answer.num_files

    _write_what_was_seen(parameters, data_root, source)  # lists the names, too: both sides are warm
    before = _peak_mb()
    num_rounds = 1 if num_names > _MANY else 5
    both = []
    for _ in range(num_rounds):
        # A round may take minutes, in which the machine gets slower or faster: what is compared lies around it.
        before_it, ours, after_it = rates(listing), rates(deciding), rates(listing)
        both.append((ours, [2 / (1 / first + 1 / second) for first, second in zip(before_it, after_it, strict=True)]))
    return {
        "names": num_names,
        "rounds": [[ours[0], other[0]] for ours, other in both],
        "processor_ratio": statistics.median(ours[1] / other[1] for ours, other in both),
        "processor_us_per_name": [round(1e6 / rate[1], 2) for rate in both[0]],
        "before_mb": before,
        "peak_mb": _peak_mb(),
    }


def _write_what_was_seen(parameters: "Parameters", data_root: str, source: str) -> None:
    """Leaves what a call leaves whose run pushed a model."""
    from components import storage
    from components.contracts import AttemptState, RunOutcome, Sighting, Surveyed, Trigger, TriggerAttempt
    from pipeline.retrain.change_key import result_parameters
    from pipeline.retrain.looking import settings_sha256
    from pipeline.retrain.sightings import ListingDigest, write_sighting
    from pipeline.retrain.triggers import key_of, run_name, write_trigger

    at, pipeline_sha256, fingerprint = "2026-01-31T12:00:00Z", hashlib.sha256(b"").hexdigest(), "f" * 64
    digest = ListingDigest()
    digest.add_all(storage.list_source(source))
    surveyed = Surveyed(settings_sha256=settings_sha256(parameters), fingerprint=fingerprint, num_tiles=1)
    sighting = Sighting(
        source_uri=source,
        listing_sha256=digest.hexdigest(),
        num_files=digest.num_files,
        first_seen_at=at,
        surveyed=surveyed,
    )
    write_sighting(data_root, sighting, None)
    key = key_of(fingerprint, pipeline_sha256, result_parameters(parameters))
    attempt = TriggerAttempt(
        number=1,
        state=AttemptState.ENDED,
        claimed_at=at,
        expires_at=at,
        by="bench",
        reasons=(),
        run_name=run_name("bench", key, 1),
        run_id="run-1",
        started_at=at,
        ended_at=at,
        outcome=RunOutcome.PUSHED,
    )
    trigger = Trigger(
        key=key,
        source_uri=source,
        fingerprint=fingerprint,
        pipeline_sha256=pipeline_sha256,
        pipeline_version="bench",
        parameters={},
        num_tiles=1,
        attempts=(attempt,),
    )
    write_trigger(data_root, trigger, None)


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)  # Linux counts in kB


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
