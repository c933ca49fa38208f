"""A server that speaks the part of the Kubernetes API that the launcher needs, and misbehaves on request.

A healthy API server neither fails nor stalls on demand, and a token of it lives for an hour. All else is shown on a
real one as well, in test_train_in_pods.py.
"""

import json
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

PATH = re.compile(
    r"/(?:api|apis/[\w.]+)/\w+/namespaces/(?P<namespace>[\w-]+)/(?P<kind>\w+)(?:/(?P<name>[\w.-]+))?(?P<log>/log)?"
)
COMPLETE = {"type": "Complete", "status": "True"}
FAILED = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}


def pod(index: int, phase: str, exit_code: int | None = None, **status: Any) -> dict[str, Any]:
    """Returns a pod of a Job as the API has it."""
    state: dict[str, Any] = {"running": {}} if phase == "Running" else {}
    if exit_code is not None:
        state = {"terminated": {"exitCode": exit_code, "finishedAt": "2026-11-24T15:00:10Z"}}
    status = {"containerStatuses": [{"name": "worker", "state": state}], **status}
    labels = {"batch.kubernetes.io/job-completion-index": str(index)}
    return {"metadata": {"name": f"pod-{index}", "labels": labels}, "status": {"phase": phase, **status}}


class ScriptedKubernetes(ThreadingHTTPServer):
    """Serves on a port of its own until it is left.

    Attributes:
      faults: What to do instead of answering the next requests: an HTTP status, a status with headers, "cut" to say
        nothing, "cut after" to do what is asked and say nothing, or a number of seconds to stall for as a float.
      token: That is accepted; empty for any.
      refused: Kinds of which this account may create none.
      objects: What there is, by kind and name.
      frames: What becomes of the next Jobs, from one look at their pods to the next: (conditions of the Job, its pods).
      logs: Of pods, by name.
      events: All that there are.
      requests: All that came, as (method, path, body).
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: list[Any] = []
        self.token = ""
        self.refused: set[str] = set()
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.frames: list[list[tuple[list[Any], list[Any]]]] = []
        self.frames_of: dict[str, list[tuple[list[Any], list[Any]]]] = {}
        self.logs: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.lock = threading.RLock()

    def __enter__(self) -> "ScriptedKubernetes":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()

    def write_kubeconfig(self, folder: Path, token: str = "") -> Path:
        """Writes a kubeconfig that names this server, and the token to a file of its own."""
        (folder / "token").write_text(token or "any")
        user = {"tokenFile": str(folder / "token")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "agrivision"}}],
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "users": [{"name": "test", "user": user}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def created(self, kind: str) -> list[Any]:
        """Returns the objects of a kind that were sent to be created, in order."""
        return [body for method, path, body in self.requests if method == "POST" and path.endswith(f"/{kind}")]

    def answer(self, method: str, kind: str, name: str, body: Any, is_log: bool) -> tuple[int, Any]:
        """Does what a request asks for."""
        if is_log:
            return (200, self.logs[name]) if name in self.logs else (404, status("no such pod"))
        if method == "POST":
            if kind in self.refused:
                return 403, status(f"{kind} is forbidden")
            name = body["metadata"]["name"]
            if (kind, name) in self.objects:
                return 409, status(f'{kind} "{name}" already exists')
            self.objects[kind, name] = {**body, "status": {}, "metadata": {**body["metadata"], "uid": f"uid-{name}"}}
            if kind == "jobs":
                self.frames_of[name] = self.frames.pop(0) if self.frames else [([], [])]
            return 201, self.objects[kind, name]
        if method == "GET" and not name:
            if kind == "pods":
                (job,) = [job for job in self.frames_of if ("jobs", job) in self.objects] or [""]
                return 200, {"items": self._next_frame(job)}
            found = [each for (of_kind, _), each in self.objects.items() if of_kind == kind]
            return 200, {"items": self.events if kind == "events" else found}
        if (kind, name) not in self.objects:
            return 404, status(f'{kind} "{name}" not found')
        found_object = self.objects[kind, name]
        if method == "DELETE":
            return 200, self.objects.pop((kind, name))
        if method == "PATCH":
            for part, changes in body.items():
                found_object[part] |= changes
        return 200, found_object

    def _next_frame(self, job: str) -> list[Any]:
        frames = self.frames_of.get(job, [([], [])])
        conditions, pods = frames.pop(0) if len(frames) > 1 else frames[0]
        if job:
            self.objects["jobs", job]["status"] = {"conditions": conditions}
        return pods


def status(message: str) -> dict[str, Any]:
    """Returns what Kubernetes answers with when it refuses."""
    return {"kind": "Status", "message": message}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedKubernetes

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(text) if text else None
        match = PATH.fullmatch(path)
        assert match is not None, path
        with self.server.lock:
            self.server.requests.append((self.command, path, body))
            fault = self.server.faults.pop(0) if self.server.faults else None
            if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
                fault = 401
            headers: dict[str, str] = {}
            if isinstance(fault, tuple):
                fault, headers = fault
            if fault is None or fault == "cut after":
                code, answer = self.server.answer(
                    self.command, match["kind"], match["name"] or "", body, match["log"] is not None
                )
        if isinstance(fault, float):
            time.sleep(fault)
        if fault is not None and not isinstance(fault, int):
            self.close_connection = True
            return
        if fault is not None:
            code, answer = fault, status("on request")
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve
