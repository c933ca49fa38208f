"""The steps that led to a version, as events of OpenLineage: what they say, and how they are sent."""

import http.server
import json
import threading
import time
import urllib.parse
import uuid
from datetime import datetime

import pytest
from descended import TRAINING, VERSION, descended

from components import storage
from components.errors import SettingsError, UnreachableError
from components.lineage import sending
from components.lineage.named_version import ancestors_of
from components.lineage.sending import send_events

pytest.importorskip("openlineage.client")

STEPS = ["ingest", "shard", "merge", "train", "evaluate", "push"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return descended(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def found(whole):
    return ancestors_of(str(whole.models), VERSION, str(whole.root))


def written(found, path):
    send_events(found, str(path))
    return [json.loads(line) for line in path.read_text().splitlines()]


def facets_of(value):
    """Every facet in an event."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in ("facets", "inputFacets", "outputFacets"):
                yield from each.items()
            yield from facets_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from facets_of(each)


def test_each_step_starts_and_completes_once_under_one_id(found, tmp_path):
    events = written(found, tmp_path / "events.jsonl")

    assert [event["job"]["name"].rpartition(".")[2] for event in events[::2]] == STEPS
    for start, end in zip(events[::2], events[1::2], strict=True):
        assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
        assert start["run"]["runId"] == end["run"]["runId"]
    assert len({event["run"]["runId"] for event in events}) == len(STEPS)
    assert written(found, tmp_path / "again.jsonl") == events


def test_events_have_what_the_specification_requires(found, tmp_path):
    """The client ships no JSON schema, so the requirements of version 2-0-2 are listed here."""
    for event in written(found, tmp_path / "events.jsonl"):
        assert {"eventTime", "producer", "schemaURL", "run", "job"} <= event.keys()
        datetime.fromisoformat(event["eventTime"])
        uuid.UUID(event["run"]["runId"])
        assert urllib.parse.urlsplit(event["schemaURL"]).fragment == "/$defs/RunEvent"
        for thing in (event["job"], *event["inputs"], *event["outputs"]):
            assert thing["namespace"]
            assert thing["name"]
        for name, facet in facets_of(event):
            assert urllib.parse.urlsplit(facet["_producer"]).scheme == "urn", name
            assert urllib.parse.urlsplit(facet["_schemaURL"]).scheme == "https", name


def test_what_a_step_makes_is_what_the_next_takes(found, tmp_path):
    steps = dict(zip(STEPS, written(found, tmp_path / "events.jsonl")[1::2], strict=True))

    def names(step, side):
        return {(each["namespace"], each["name"]) for each in steps[step][side]}

    for before, after in (("ingest", "merge"), ("shard", "merge"), ("merge", "train"), ("train", "push")):
        assert names(before, "outputs") & names(after, "inputs"), (before, after)
    (source,) = (each for each in steps["ingest"]["inputs"])
    assert source["facets"]["agrivision_hash"]["sha256"] == "f" * 64
    (model,) = steps["push"]["outputs"]
    assert model["facets"]["agrivision_hash"]["sha256"] == found.card_sha256
    assert steps["train"]["job"]["facets"]["sourceCodeLocation"]["version"] == "a" * 40
    (dataset,) = steps["train"]["inputs"]
    assert [each["name"] for each in dataset["facets"]["schema"]["fields"]][:4] == ["red", "green", "blue", "nir"]
    quality = dataset["inputFacets"]["dataQualityMetrics"]
    assert (quality["rowCount"], quality["fileCount"]) == (16, found.manifest.num_shards)
    assert quality["columnMetrics"]["drydown"]["count"] == 16
    assert TRAINING in steps["train"]["outputs"][0]["name"]


def test_a_step_that_failed_says_so_and_made_nothing(found, tmp_path):
    found.run = {"steps": {"push": {"state": "failed"}}, "reason": "disk full", "ended": "2026-02-01T00:00:00Z"}

    last = written(found, tmp_path / "events.jsonl")[-1]

    assert (last["eventType"], last["outputs"], last["eventTime"]) == ("FAIL", [], "2026-02-01T00:00:00Z")
    assert last["run"]["facets"]["errorMessage"]["message"] == "disk full"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes events; answers with the server's status."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        if self.server.status == 0:  # an answer that never ends
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                if self.server.over.wait(0.1):
                    return
                self.wfile.write(b"X-Slow: 1\r\n")
            return
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as made:
        made.taken, made.status, made.over, made.daemon_threads = [], 201, threading.Event(), True
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        made.url = f"http://127.0.0.1:{made.server_address[1]}"
        yield made
        made.over.set()
        made.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "endpoint"), [("", "/api/v1/lineage"), ("/", "/api/v1/lineage"), ("/a/b", "/a/b")])
def test_a_server_gets_every_event(found, server, monkeypatch, path, endpoint):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")

    assert (
        send_events(found, server.url.replace("http", "HTTP") + path) == f"sent 12 OpenLineage events to {server.url}"
    )

    assert {(where, who) for where, who, _ in server.taken} == {(endpoint, "Bearer secret")}
    assert len(server.taken) == 12


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (302, SettingsError, "redirects OpenLineage events, which follow no redirect"),
        (404, SettingsError, "refused an OpenLineage event with status 404; is the path right"),
        (503, UnreachableError, "answered an OpenLineage event with status 503; send them again later"),
    ],
)
def test_a_server_that_does_not_take_them_is_named_without_the_path(found, server, status, kind, message):
    server.status = status

    with pytest.raises(kind, match=message) as error:
        send_events(found, f"{server.url}/token-123")

    assert "token-123" not in str(error.value)
    assert {where for where, _, _ in server.taken} == {"/token-123"}


def test_a_server_that_answers_forever_is_left_in_time(found, server, monkeypatch):
    monkeypatch.setattr(sending, "_SECONDS", 1.0)
    server.status = 0
    started = time.monotonic()

    with pytest.raises(UnreachableError, match="did not take all OpenLineage events in 1 s"):
        send_events(found, server.url)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("http://127.0.0.1:1", UnreachableError, "does not take OpenLineage events"),
        ("http://", SettingsError, "must be http"),
        ("https://user:pass@host/x", SettingsError, "without a user or a password"),
        ("http://[::1", SettingsError, "must be http"),
        ("http://127.0.0.1:99999", SettingsError, "must be http"),
        ("http://127.0.0.1:port", SettingsError, "must be http"),
        (f"http://{'a' * 300}/", SettingsError, "must be http"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(found, target, kind, message):
    with pytest.raises(kind, match=message):
        send_events(found, target)


def test_without_the_extra_it_says_how_to_get_it(found, tmp_path, monkeypatch):
    monkeypatch.setattr(sending.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(SettingsError, match=r"pip install 'agrivision-kfp\[lineage\]'"):
        send_events(found, str(tmp_path / "events.jsonl"))
    assert not storage.exists(str(tmp_path / "events.jsonl"))
