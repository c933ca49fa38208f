"""A push asks the server about the model over HTTP, in bounded time; where none is installed, it says so."""

import importlib.util
import sys

import msgspec
import numpy as np
import pytest
from colour_model import colour_dataset, colour_training, put_in_production
from models_here import run_models_here

from components.errors import DataError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push import over_http
from components.push.over_http import verify_over_http
from components.push.sample import read_sample
from components.registry import CARD

needs_server = pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="the extra serve is missing")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """What verify_over_http is given, of a good model."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root, num_val=12, num_test=12)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        page = root / "report.html"
        evaluated = evaluate_training(str(root), str(root / "n"), manifest, receipt, page, StepLog("push"))
    card = put_in_production(root, receipt, evaluated.evaluation, str(root / "models"))
    return root / "models" / "versions" / card.version, card, str(root), manifest, evaluated.evaluation


@needs_server
@pytest.mark.long
def test_a_server_answers_as_the_model_was_evaluated_and_whoever_answers_otherwise_is_told(pushed, monkeypatch):
    uri, *rest = pushed
    assert verify_over_http(str(uri), *rest).startswith("a server answered 12 of them over HTTP, in ")
    kept = read_sample

    def another(*arguments):
        found = kept(*arguments)
        return type(found)(found.row_of_tile, found.probabilities + np.float32(1e-3), found.predicted, found.maps)

    monkeypatch.setattr(over_http, "read_sample", another)
    with pytest.raises(DataError, match=r"^a server that is asked about it answers 0.001 off, expected at most 1e-05$"):
        verify_over_http(str(uri), *rest)


@needs_server
@pytest.mark.slow
def test_a_model_that_a_server_refuses_is_named_with_the_servers_reason(pushed, tmp_path):
    _, card, *rest = pushed
    other = tmp_path / "version"
    other.mkdir()
    (other / "saved_model.pb").write_bytes(b"x")
    msgspec.structs.replace(card, files={"saved_model.pb": "0" * 64}).write(other / CARD)
    with pytest.raises(DataError, match=r"^a server refuses it: .*saved_model.pb' has sha256"):
        verify_over_http(str(other), card, *rest)


def test_without_the_extra_or_for_a_version_on_a_bucket_the_line_says_that_no_server_was_asked(pushed, monkeypatch):
    uri, *rest = pushed
    assert "the version lies on a bucket" in verify_over_http("gs://bucket/models/versions/v", *rest)
    monkeypatch.setattr(over_http, "_NEEDED", ("no_such_module", "json"))
    assert verify_over_http(str(uri), *rest) == (
        "no server was asked over HTTP: no_such_module of the extra `serve` is not installed here"
    )


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("import time; time.sleep(60)", "it was not ready within 2 s"),
        ("import sys; print('cannot listen'); sys.exit(2)", "it ended with 2: cannot listen"),
        ("import os; os.kill(os.getpid(), 9)", "it ended with -9: no reason"),
    ],
)
def test_a_server_that_does_not_get_ready_is_told_and_no_error(pushed, tmp_path, monkeypatch, script, line):
    uri, *rest = pushed
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(over_http, "_READY_SECONDS", 2.0)
    assert verify_over_http(str(uri), *rest) == f"no server was asked over HTTP: {line}"
