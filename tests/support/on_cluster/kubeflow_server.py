"""A server that speaks the part of Kubeflow Pipelines' API that `agrivision submit` needs, and misbehaves on request.

A healthy one neither fails nor loses its connections on demand; everything else is shown on a real one as well, in
test_kubeflow.py.
"""

import base64
import contextlib
import email.parser
import gzip
import json
import os
import re
import sys
import threading
import urllib.parse
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from pipeline import cli

START = "2026-11-24T12:00:{:02d}Z"
NEVER = "0001-01-01T00:00:00Z"
WORKFLOW = "agrivision-training-x7"
PLACES = ("--source-uri=gs://b/tiles", "--data-root=gs://b/data", "--models-uri=gs://b/models")


def task(name, state, begin=0, end=0):
    """Returns a task as the API has it; times are seconds."""
    over = state not in ("RUNNING", "PENDING")
    return {
        "task_id": f"{name}-{state}",
        "display_name": name,
        "state": state,
        "start_time": START.format(begin),
        "end_time": START.format(end) if over else NEVER,
    }


def frame(state, *tasks):
    """Returns a run as the API has it at one time."""
    return {"run_id": "run-1", "state": state, "run_details": {"task_details": list(tasks)}}


def node(step, number, cached=False, phase="Succeeded", message="", path="root"):
    """Returns the pod of a step as a workflow has it; its name ends in `number`."""
    return {
        "id": f"{WORKFLOW}-{number}",
        "name": f"{WORKFLOW}(0).{path}(0).{step}(0).executor" + ("" if cached else "(0)"),
        "displayName": "executor" + ("" if cached else "(0)"),
        "type": "Skipped" if cached else "Pod",
        "phase": "Skipped" if cached else phase,
        "templateName": "system-container-impl",
        "message": message,
        "startedAt": START.format(number % 60),
    }


def task_node(name, number, phase="Succeeded", begin=0, end=0):
    """Returns a task of a run as a workflow has it; times are seconds."""
    return {
        "id": f"{WORKFLOW}-{number}",
        "name": f"{WORKFLOW}(0).root(0).{name}",
        "displayName": name,
        "type": "Retry",
        "phase": phase,
        "startedAt": START.format(begin),
        "finishedAt": None if phase in ("Running", "Pending") else START.format(end),
    }


DATA_STEPS = (task("ingest", "SUCCEEDED", 0, 5), task("shard", "SUCCEEDED", 6, 9), task("merge", "SUCCEEDED", 10, 15))
PUSHED = frame(
    "SUCCEEDED",
    *DATA_STEPS,
    *(task(step, "SUCCEEDED", 20, 50) for step in ("train", "evaluate", "gate", "push")),
)
REFUSED = frame(
    "SUCCEEDED",
    *DATA_STEPS,
    *(task(step, "SUCCEEDED", 20, 50) for step in ("train", "evaluate", "gate")),
    task("condition-2", "SKIPPED", 50, 50),
)
FAILED = frame("FAILED", *DATA_STEPS, task("train", "FAILED", 20, 31), task("train-driver", "SUCCEEDED", 16, 19))
STARTING = frame("PENDING")
TRAINING = frame("RUNNING", *DATA_STEPS, task("train", "RUNNING", 20))


class ScriptedKubeflow(ThreadingHTTPServer):
    """Serves on a port of its own until it is left.

    Attributes:
      frames: What a run is, from one look at it to the next; the last one stays.
      nodes: Of its workflow; whether they are packed, as Argo does with many.
      deadline: Of its workflow, in seconds; 0 is how Kubeflow ends one.
      logs: By name of the pod.
      faults: What to do instead of answering the next requests for a path that contains the key: an HTTP status,
        "cut" to say nothing at all, "hang" to keep the connection and say nothing, "trickle" to answer without end, a
        URL to send the client there.
      past: Further runs, newest first, as the list has them; without their tasks there, as the real one.
      workflows: Of these, by id: the nodes and the deadline. `lost` are the ids that only the list still has.
      requests: All that came, as (method, path without the query).
      runs, recurring_runs, versions: What was made, by the bodies that made it; terminated: the ids of runs.
      tokens: The Authorization headers that came.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.frames, self.nodes, self.logs, self.faults = [PUSHED], [], {}, {}
        self.packed, self.deadline = False, None
        self.past, self.workflows, self.lost = [], {}, set()
        self.requests, self.runs, self.recurring_runs, self.versions = [], [], [], {}
        self.terminated, self.tokens = [], set()
        self.pipelines, self.experiments = [], []
        self.lock, self.left = threading.Lock(), threading.Event()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.left.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # a client that has gone meanwhile is what some tests want
            super().handle_error(request, client_address)

    def next_fault(self, path):
        for part, faults in self.faults.items():
            if part in path and faults:
                return faults.pop(0)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve("GET")

    def do_POST(self):
        self._serve("POST")

    def _serve(self, method):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.requests.append((method, url.path))
            self.server.tokens.add(self.headers.get("Authorization"))
            fault = self.server.next_fault(url.path)
            if fault in ("cut", "hang", "trickle"):
                self.close_connection = True
            elif fault:
                status, answer = (302 if isinstance(fault, str) else fault), {"message": "on request"}
            else:
                status, answer = self._answer(method, url, body)
        if self.close_connection and fault:
            return self._give_no_answer(fault)
        text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if isinstance(fault, str):
            self.send_header("Location", fault)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        return None

    def _give_no_answer(self, fault):
        if fault == "hang":
            self.server.left.wait()
        if fault == "trickle":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not self.server.left.wait(0.1):
                    self.wfile.write(b" ")

    def _answer(self, method, url, body):
        server = self.server
        query = dict(urllib.parse.parse_qsl(url.query))
        wanted = json.loads(query["filter"])["predicates"][0]["stringValue"] if "filter" in query else None
        path = url.path.removeprefix("/apis/v2beta1/")
        if method == "GET":
            if path == "healthz":
                return 200, {"multi_user": False}
            if path == "pipelines":
                return 200, {"pipelines": [{"pipeline_id": "pipe"} for name in server.pipelines if name == wanted]}
            if path == "pipelines/pipe/versions":
                return 200, {"pipeline_versions": [v for name, v in server.versions.items() if name == wanted]}
            if match := re.fullmatch("pipelines/pipe/versions/version (.*)", urllib.parse.unquote(path)):
                return (200, server.versions[match[1]]) if match[1] in server.versions else (404, {"message": "gone"})
            if path == "experiments":
                return 200, {"experiments": [{"experiment_id": name} for name in server.experiments if name == wanted]}
            if path == "runs" and wanted:
                state = server.frames[0]["state"]
                made = [run["display_name"] for run in server.runs if run["display_name"] == wanted]
                run = {"run_id": "run-1", "created_at": START.format(0), "state": state}
                return 200, {"runs": [{**run, "display_name": name} for name in made]}
            if path == "runs/run-1":
                return 200, server.frames.pop(0) if len(server.frames) > 1 else server.frames[0]
            if path == "/apis/v1beta1/runs/run-1":
                return 200, {"pipeline_runtime": {"workflow_manifest": json.dumps(self._workflow())}}
            if path == "runs":
                return 200, self._page(query)
            for run in server.past:
                if path == f"runs/{run['run_id']}" and run["run_id"] not in server.lost:
                    return 200, run
            if (match := re.fullmatch("/apis/v1beta1/runs/(.*)", path)) and match[1] in server.workflows:
                nodes, deadline = server.workflows[match[1]]
                return 200, {"pipeline_runtime": {"workflow_manifest": json.dumps(self._workflow(nodes, deadline))}}
            if match := re.fullmatch(r"/apis/v1alpha1/runs/[^/]*/nodes/(.*)/log", path):
                return 200, server.logs.get(match[1], {"error_message": "BadRequestError: Failed to read logs for run"})
        if method == "POST":
            if path == "pipelines/upload_version":
                return 200, self._keep_version(query, body)
            if path == "runs/run-1:terminate":
                server.terminated.append("run-1")
                return 200, {}
            given = json.loads(body)
            if path == "pipelines":
                server.pipelines.append(given["display_name"])
                return 200, {"pipeline_id": "pipe"}
            if path == "experiments":
                server.experiments.append(given["display_name"])
                return 200, {"experiment_id": given["display_name"]}
            if path == "runs":
                server.runs.append(given)
                return 200, {"run_id": "run-1"}
            if path == "recurringruns":
                server.recurring_runs.append(given)
                return 200, {"recurring_run_id": "again-1"}
        return 404, {"message": f"no {method} {url.path} here"}

    def _page(self, query):
        first, size = int(query.get("page_token") or 0), int(query["page_size"])
        runs = [{name: run[name] for name in run if name != "run_details"} for run in self.server.past]
        more = {"next_page_token": str(first + size)} if first + size < len(runs) else {}
        return {"runs": runs[first : first + size], "total_size": len(runs), **more}

    def _workflow(self, nodes=None, deadline=None):
        nodes = {each["id"]: each for each in (self.server.nodes if nodes is None else nodes)}
        deadline = self.server.deadline if deadline is None else deadline
        status = {"nodes": nodes}
        if self.server.packed:
            status = {"compressedNodes": base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()}
        metadata = {"name": WORKFLOW, "namespace": "kubeflow"}
        return {"metadata": metadata, "spec": {"activeDeadlineSeconds": deadline}, "status": status}

    def _keep_version(self, query, body):
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = email.parser.BytesParser().parsebytes(head + body).get_payload()
        spec, platform = yaml.load_all(part.get_payload(decode=True), yaml.CSafeLoader)
        spec = {"pipeline_spec": spec, "platform_spec": platform}
        name = query["name"]
        self.server.versions[name] = {
            "pipeline_version_id": f"version {name}",
            "display_name": name,
            "description": query.get("description", ""),
            "pipeline_spec": spec,
        }
        return self.server.versions[name]


def submitter(server: ScriptedKubeflow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Returns what runs `agrivision submit` against the server, and tells its exit code, its output and its errors."""
    monkeypatch.delenv("KFP_ENDPOINT", raising=False)
    monkeypatch.delenv("KFP_EXISTING_TOKEN", raising=False)
    monkeypatch.setenv("KUBECONFIG", os.devnull)  # no cluster

    def run(*options: object, places: Sequence[str] = PLACES, host: str = server.url) -> tuple[int, str, str]:
        argv = ["agrivision", "submit", *([f"--host={host}"] if host else []), *places, *map(str, options)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit, match=r"^(\d+|None)?$") as ended:
            cli.main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run
