"""`agrivision submit` against an API that accepts and never answers, and in a hurry to leave."""

import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from kubeflow_server import PLACES, TRAINING, ScriptedKubeflow

from pipeline.kubeflow import client as kubeflow
from pipeline.kubeflow import follow, upload

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.hostile


@pytest.fixture
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(kubeflow, "REQUEST_SECONDS", 1)
    monkeypatch.setattr(upload, "PATIENCE_SECONDS", 2)
    monkeypatch.setattr(follow, "OUTAGE_SECONDS", 2)


@pytest.mark.parametrize("fault", ["hang", "trickle"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("healthz", 2),
        ("v2beta1/pipelines", 75),
        ("pipelines/pipe/versions", 75),
        ("pipelines/upload_version", 75),
        ("v2beta1/experiments", 75),
        ("v2beta1/runs", 75),
        ("v2beta1/runs/run-1", 75),
    ],
)
@pytest.mark.usefixtures("in_a_hurry")
def test_whichever_answer_never_comes_the_command_ends_in_time(server, submit, path, code, fault):
    server.frames = [TRAINING]
    server.faults = {path: [fault] * 99}

    began = time.monotonic()
    exit_code, _, errors = submit()

    assert exit_code == code
    assert "no answer" in errors  # whichever clock was the first, ours or the socket's
    assert time.monotonic() - began < 10
    assert sum(path.endswith("/runs") for _, path in server.requests) <= 1, "a run is never asked for twice"


@pytest.mark.usefixtures("in_a_hurry")
def test_logs_and_pods_that_never_come_do_not_hold_up_the_end_of_a_run(server, submit):
    server.faults = {"v1beta1": ["trickle"] * 99, "v1alpha1": ["hang"] * 99}

    began = time.monotonic()
    assert submit()[0] == 0
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("fault", ["cut", 503])
def test_a_request_is_sent_once_where_nobody_asked_for_patience(server, submit, fault):
    server.faults = {"healthz": [fault] * 9}

    assert submit()[0] == 2
    assert len(server.requests) == 1


def submitting(server, *options):
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "submit", f"--host={server.url}", *PLACES]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell lets what it puts into the background ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ended_after(process, server, path, number):
    """Sends the signal when the server has a request for the path; returns the seconds to the end, and the output."""
    until = time.monotonic() + 90
    while not any(there.endswith(path) for _, there in server.requests) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    return time.monotonic() - began, output, errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("path", "seconds", "message"),
    [
        ("/v2beta1/pipelines", 2, "interrupted before a run was started"),
        ("/pipelines/upload_version", 2, "interrupted before a run was started"),
        # It may have been started: whoever interrupts is told where to look, after a moment for the answer.
        ("/v2beta1/runs", 7, "interrupted; see {url}/#/runs for whether the run was started, and goes on"),
    ],
)
def test_an_interruption_ends_a_request_that_hangs(server, path, seconds, message, number, code):
    server.faults = {path: ["hang"] * 99}
    with submitting(server) as process:
        took, _, errors = ended_after(process, server, path, number)

    assert process.returncode == code
    assert errors == f"agrivision: {message.format(url=server.url)}\n"
    assert took < seconds
    assert not server.terminated


@pytest.mark.parametrize(
    ("path", "options"), [("/healthz", []), ("/pipelines", ["--no-wait"]), ("/pipelines", ["--cron=0 0 3 * * *"])]
)
def test_an_interruption_ends_a_request_that_hangs_where_there_is_no_run_to_undo(server, path, options):
    server.faults = {f"v2beta1{path}": ["hang"] * 99}
    with submitting(server, *options) as process:
        took, _, _ = ended_after(process, server, path, signal.SIGINT)

    assert process.returncode == 130
    assert took < 2


def test_an_interruption_terminates_the_run_though_the_api_hangs_elsewhere(server):
    server.frames = [TRAINING]
    server.faults = {"v2beta1/runs/run-1:terminate": [], "v2beta1/runs/run-1": ["hang"]}
    with submitting(server, "--json") as process:
        took, output, errors = ended_after(process, server, "/runs/run-1", signal.SIGINT)

    assert (process.returncode, server.terminated) == (130, ["run-1"])
    assert took < 3
    assert errors == "agrivision: interrupted; run run-1 is terminated\n"
    assert json.loads(output.splitlines()[-1])["outcome"] == "interrupted"


def test_where_the_run_cannot_be_terminated_either_that_is_said_within_seconds(server):
    server.frames = [TRAINING]
    server.faults = {"v2beta1/runs/run-1": ["hang"] * 99}
    with submitting(server) as process:
        took, _, errors = ended_after(process, server, "/runs/run-1", signal.SIGTERM)

    assert process.returncode == 143
    assert took < 15
    assert "run run-1 could not be terminated and continues (no answer within " in errors


def test_what_other_threads_say_during_a_request_is_not_swallowed(server, capsys, caplog):
    there = kubeflow.Kubeflow(server.url)

    def talk():
        print("a line")
        logging.getLogger("somebody").error("an error")
        warnings.warn("a warning", stacklevel=1)

    def ask(client):
        thread = threading.Thread(target=talk)
        thread.start()
        thread.join()

    with pytest.warns(UserWarning, match="a warning"):
        there.call(ask)

    assert capsys.readouterr().out == "a line\n"
    assert caplog.messages == ["an error"]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://localhost:8888", True),
        ("http://127.0.0.1:8888", True),
        ("http://127.1.2.3", True),
        ("http://[::1]:8888", True),
        ("https://kubeflow.example", True),
        ("kubeflow.example", True),  # https, unless another scheme is given
        ("http://kubeflow.example", False),
        ("HTTP://kubeflow.example:80", False),
        ("httpkubeflow.example", True),
        ("http://10.0.0.7:8888", False),
        ("http://[2001:db8::1]", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://0.0.0.0:8888", False),
    ],
)
def test_a_token_goes_unencrypted_to_this_machine_alone(monkeypatch, url, allowed):
    asked = []
    monkeypatch.setattr("urllib3.PoolManager.request", lambda self, method, url, **_: asked.append(url) or 1 / 0)

    with contextlib.suppress(ZeroDivisionError):
        kubeflow.Kubeflow(url)
    assert len(asked) == 1, "without a token, any address may be asked"
    if allowed:
        with contextlib.suppress(ZeroDivisionError):
            kubeflow.Kubeflow(url, "secret")
        assert len(asked) == 2
        return
    with pytest.raises(kubeflow.SettingsError, match=r"the token would go unencrypted.*--insecure-token"):
        kubeflow.Kubeflow(url, "secret")
    assert len(asked) == 1
    with contextlib.suppress(ZeroDivisionError):
        kubeflow.Kubeflow(url, "secret", insecure_token=True)
    assert len(asked) == 2


def test_the_command_refuses_to_send_a_token_in_the_open_unless_asked_to(submit, monkeypatch):
    monkeypatch.setattr("urllib3.PoolManager.request", lambda *_, **__: 1 / 0)

    code, _, errors = submit("--token=secret", host="http://kubeflow.example")
    assert code == 2
    assert len(errors.splitlines()) == 1
    assert "secret" not in errors
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        submit("--token=secret", "--insecure-token", host="http://kubeflow.example")


def test_nothing_is_carried_on_to_another_address(server, submit):
    with ScriptedKubeflow() as elsewhere:
        server.faults = {"healthz": [f"{elsewhere.url}/login"]}
        code, _, errors = submit("--token=secret")

    assert code == 2
    assert f"302 moved to '{elsewhere.url}/login'; give that address if it is right, or a token" in errors
    assert not elsewhere.requests
