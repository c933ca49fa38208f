"""A server that cannot start says why in one line; one that can prints its log and nothing else."""

import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from serving import ROOT, post, served

pytestmark = pytest.mark.slow


def run(*arguments, **variables):
    command = [sys.executable, "-m", "pipeline.cli", "serve", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long
def test_what_cannot_be_served_ends_with_one_line(models, tmp_path):
    rows = [
        ((str(tmp_path),), 2, r"no model at '.*': it has neither a channel 'production' that names a version nor card"),
        ((str(models.uri), "--channel", "nobody"), 2, "no model at .*'nobody'"),
        ((str(models.uri), "--channel", "../x"), 2, "a channel is named by lower-case letters"),
        ((str(models.uri), "--batch-tiles", "0"), 2, "batch_tiles must be between 1 and 256, got 0"),
        ((str(models.uri), "--request-tiles", "65"), 2, "request_tiles must be at most queue_tiles, 64"),
        ((str(models.uri), "--tile-pixels", "20000000"), 2, "tile_pixels must be at most request_pixels, 16,777,216"),
        ((str(models.uri), "--request-pixels", "99000000"), 2, "request_pixels must be at most queue_pixels, 67,108,8"),
        ((str(models.uri), "--request-mib", "300"), 2, "request_mib must be at most held_mib, 256"),
        ((str(models.uri), "--name", "a/b"), 2, "name must be letters, digits"),
        ((str(models.uri), "--host", "no such host"), 2, "cannot listen on 'no such host' port 0"),
    ]
    for arguments, code, text in rows:
        found, said = run(*arguments, "--port", "0")
        assert (found, len(re.findall(text, said))) == (code, 1), said
        assert "Traceback" not in said


def test_where_no_file_may_grow_the_model_is_not_copied_and_one_line_says_so(models):
    command = f"ulimit -f 4; exec {sys.executable} -m pipeline.cli serve {models.uri} --port 0"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, text=True, capture_output=True, timeout=120)

    assert done.returncode == 42, done.stderr
    assert re.search(r"cannot write under '.*': File too large; raise the limit of file sizes", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, said = run(str(models.uri), "--port", port)

    assert code == 2
    assert f"cannot listen on '127.0.0.1' port {port}: Address already in use; choose another" in said


def test_without_the_extra_one_line_says_how_to_install_it(models, tmp_path):
    # A folder in front of the others, in which the package is there and cannot be found as one.
    hide = (
        "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'uvicorn' else f(n, *a)"
    )
    (tmp_path / "sitecustomize.py").write_text(hide)

    code, said = run(str(models.uri), PYTHONPATH=f"{tmp_path}:{ROOT}")

    assert code == 2
    assert (
        "agrivision serve needs uvicorn, which is not installed here; run pip install 'agrivision-kfp[serve]'" in said
    )


def test_others_are_let_in_only_if_wanted_and_with_a_warning(models):
    with served(models.uri, is_ready=False) as running:
        assert re.search(r"listening on http://127\.0\.0\.1:\d+$", running.lines[0].strip())
        assert running.end() == 0
        assert "warning" not in "".join(running.lines)
    with served(models.uri, "--host", "0.0.0.0", is_ready=False) as running:
        running.wait_for_line("warning: others can reach this address")
        assert running.end() == 0


@pytest.mark.long
def test_nothing_but_the_log_is_printed_and_no_line_is_a_traceback(models):
    with served(models.uri) as running, running.client() as client:
        threads = [threading.Thread(target=post, args=(client, models.tiles[:2])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        running.end()
        time.sleep(0.3)

    assert [line for line in running.lines if not line.startswith("serve | ")] == []
