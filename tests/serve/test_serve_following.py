"""A server follows its channel, survives its model, and drops no request meanwhile."""

import os
import re
import shutil
import signal
import threading
import time

import numpy as np
import pytest
from serving import NAME, children_of, outputs_of, post, served

from components.registry import CARD
from components.registry.channels import read_channel
from components.registry.promotion import promote, rollback

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5
QUICK = ["--poll-seconds", "0.2"]


@pytest.fixture
def registry(models, tmp_path):
    """A copy of the models URI, which the test may change."""
    return shutil.copytree(models.uri, tmp_path / "models")


class Clients:
    """Clients that ask without a pause, and check each answer against the version that it names."""

    def __init__(self, running, models, num_clients=4):
        self.versions, self.wrong, self.statuses = [], [], []
        self._running, self._models = running, models
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(num_clients)]

    def _ask(self, number):
        with self._running.client() as client:
            turn = number
            while not self._stop.is_set():
                turn = (turn + 5) % 21
                response = post(client, self._models.tiles[turn : turn + 3])
                self.statuses.append(response.status_code)
                if response.status_code != 200:
                    continue
                version = response.json()["model_version"]
                expected = self._models.expected[version]["probabilities"][turn : turn + 3]
                if np.abs(outputs_of(response)["probabilities"] - expected).max() > TOLERANCE:
                    self.wrong.append((version, turn))
                self.versions.append(version)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def metric(client, name):
    return float(re.search(rf"^agrivision_serve_{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)[1])


def test_a_channel_that_moves_changes_the_model_and_drops_no_request(models, registry):
    with served(registry, *QUICK) as running, running.client() as client:
        with Clients(running, models) as clients:
            time.sleep(1)
            promote(str(registry), models.second, "production")
            running.wait_for_line(f"model {models.second} answers in the place of {models.first}")
            time.sleep(1)
            rollback(str(registry))
            running.wait_for_line(f"model {models.first} answers in the place of {models.second}")
            time.sleep(1)

        assert set(clients.statuses) == {200}
        assert clients.wrong == []
        assert {*clients.versions} == {models.first, models.second}
        assert clients.versions[0] == clients.versions[-1] == models.first
        assert metric(client, "swaps_total") == 2
        assert f'version="{models.first}"' in client.get("/metrics").text
        assert f'version="{models.second}"' not in client.get("/metrics").text
        # The old models' processes have ended.
        assert len(model_processes(running)) == 1


def model_processes(running):
    found = []
    for child in children_of(running.process.pid):
        with open(f"/proc/{child}/cmdline", "rb") as file:
            if b"components.saved_model.answering" in file.read():
                found.append(child)
    return found


@pytest.mark.long
def test_a_channel_that_moves_back_and_forth_ends_at_the_last_and_leaves_one_process(models, registry):
    with served(registry, "--poll-seconds", "0.1") as running, running.client() as client:
        with Clients(running, models, 2) as clients:
            for _ in range(5):
                promote(str(registry), models.second, "production")
                time.sleep(0.4)
                promote(str(registry), models.first, "production")
                time.sleep(0.4)
            promote(str(registry), models.second, "production")
            deadline = time.monotonic() + 60
            while client.get(f"/v2/models/{NAME}").json()["versions"] != [models.second]:
                assert time.monotonic() < deadline, running.lines
                time.sleep(0.2)
        while len(model_processes(running)) > 1:
            assert time.monotonic() < deadline, running.lines
            time.sleep(0.2)

    assert {*clients.statuses} == {200}
    assert clients.wrong == []


@pytest.mark.long
def test_a_channel_other_than_production_is_followed(models, registry):
    promote(str(registry), models.second, "staging")
    with served(registry, *QUICK, "--channel", "staging") as running, running.client() as client:
        assert client.get(f"/v2/models/{NAME}").json()["versions"] == [models.second]


@pytest.mark.long
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: flip(folder / "saved_model.pb"), "saved_model.pb' has sha256 .*, expected"),
        (lambda folder: (folder / "more").write_text("x"), "more' is no part of the model that was exported"),
        (lambda folder: (folder / CARD).write_text("{}"), "card.json"),
        (lambda folder: shutil.rmtree(folder), "names version .*, which is gone"),
    ],
    ids=["a flipped bit", "one file more", "a damaged card", "gone"],
)
def test_a_version_that_cannot_be_loaded_is_told_once_and_the_old_one_stays(models, registry, damage, text):
    with served(registry, *QUICK) as running, running.client() as client:
        promote(str(registry), models.second, "staging")
        state, _ = read_channel(str(registry), "production")
        damage(registry / "versions" / models.second)
        (registry / "production.json").write_bytes(
            type(state)(version=models.second, previous=models.first, format_version=state.format_version).to_json()
        )
        running.wait_for_line(f"{models.first} stays: .*{text}")
        time.sleep(2)

        assert len([line for line in running.lines if " stays: " in line]) == 1
        assert outputs_of(post(client, models.tiles[:1]))
        assert client.get("/v2/health/ready").status_code == 200
        assert client.get(f"/v2/models/{NAME}").json()["versions"] == [models.first]
        assert metric(client, "load_failures_total") >= 1


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.long
def test_a_model_whose_process_dies_is_started_anew_and_requests_get_503_meanwhile(models, registry):
    with served(registry, *QUICK) as running, running.client() as client:
        (process,) = model_processes(running)
        with Clients(running, models, 2) as clients:
            time.sleep(0.5)
            os.kill(process, signal.SIGKILL)
            running.wait_for_line("is started anew: .*process has ended")
            not_ready = client.get("/v2/health/ready")
            refused = post(client, models.tiles[:1])
            running.wait_for_line("answers again")
            time.sleep(0.5)

        assert (not_ready.status_code, refused.status_code) == (503, 503)
        assert refused.headers["retry-after"] == "1"
        assert "is started anew" in refused.json()["error"]
        assert {*clients.statuses} == {200, 503}
        assert clients.statuses[-1] == 200
        assert clients.wrong == []
        assert metric(client, "restarts_total") == 1
        assert client.get("/v2/health/live").status_code == 200


@pytest.mark.long
def test_a_model_that_dies_while_the_channel_cannot_be_read_is_started_anew(models, registry):
    with served(registry, *QUICK) as running, running.client() as client:
        (registry / "production.json").write_text("{")
        running.wait_for_line(f"{models.first} stays: ")
        (process,) = model_processes(running)
        os.kill(process, signal.SIGKILL)
        running.wait_for_line(f"{models.first} is started anew all the same: .*production.json")
        running.wait_for_line("answers again")

        assert outputs_of(post(client, models.tiles[:1]))


@pytest.mark.long
def test_a_model_that_is_stuck_is_started_anew(models, registry):
    with served(registry, *QUICK, "--answer-seconds", "1") as running, running.client() as client:
        (process,) = model_processes(running)
        os.kill(process, signal.SIGSTOP)
        refused = post(client, models.tiles[:1])
        running.wait_for_line("is started anew: .*it did not answer within 1 s")
        running.wait_for_line("answers again")

        assert refused.status_code == 503
        assert outputs_of(post(client, models.tiles[:1]))


@pytest.mark.long
def test_the_folder_of_a_version_is_served_and_never_changes(models, registry):
    folder = registry / "versions" / models.second
    with served(folder, *QUICK) as running, running.client() as client:
        num_lines = len(running.lines)
        time.sleep(1)

        assert client.get(f"/v2/models/{NAME}").json()["versions"] == [models.second]
        assert len(running.lines) == num_lines


@pytest.mark.long
def test_what_a_killed_server_left_on_disk_is_removed_by_the_next(models, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with served(models.uri) as killed:
        killed.process.kill()
        killed.process.wait()
    (left,) = temporary.glob("agrivision-model-*")

    with served(models.uri) as running, running.client() as client:
        running.wait_for_line("serve | removed 1 folder that killed processes had left here")
        assert not left.exists()
        assert outputs_of(post(client, models.tiles[:1]))
        assert running.end() == 0
    assert [*temporary.glob("agrivision-*")] == []
