"""Training with pods on a real cluster, and what may come between: the data is in a gs:// bucket."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from gate_proxy import GateProxy
from pods_on_cluster import BUCKET_MARKS, Workplace, kubectl
from pods_training import FOREVER, SMALL, BackgroundTraining, kill_process_of, launcher_process, settings, train_in_pods
from train_fixtures import wait_for

from components import storage
from components.errors import DataError
from components.progress import StepLog
from components.train.checkpoint.checkpoints import names_under
from components.train.launch.pods.pod_waits import Limits
from components.train.launch.pods.task_config import TaskSettings
from components.train.settings.node_pools import PoolSettings
from components.train.settings.worker_spec import WorkersFailed

pytestmark = [*BUCKET_MARKS, pytest.mark.usefixtures("use_the_workplace")]


def test_pods_train_and_a_deleted_or_killed_one_does_not_stop_them(
    bucket_data: tuple[str, Path], place: Workplace
) -> None:
    training = BackgroundTraining(settings(bucket_data, 1, 30, max_restarts=1))
    training.wait_until(lambda: place.is_training(1))
    kubectl("delete", "pod", "-n", place.namespace, place.pods()["1-1"]["metadata"]["name"], "--wait=false")
    training.wait_until(lambda: place.is_training(2))
    killed = kill_process_of(place.pods()["2-1"]["metadata"]["uid"])
    receipt, output = training.finish(), training.output
    assert receipt.num_restarts == 1 + killed, output
    assert re.search(r"worker [01] (was deleted|vanished: somebody deleted it)", output), output
    assert "which does not count as a restart" in output
    assert ("worker 1 was killed by SIGKILL; restart 1 of 1, from the last checkpoint" in output) == killed
    assert output.count("train | resumed at epoch") == 1 + killed
    done = re.findall(r"epoch (\d+)/30 done", output)
    assert sorted(set(map(int, done))) == list(range(1, 31)), "every epoch's line came through, over all attempts"
    assert place.left() == ""


def test_workers_outlive_an_absent_api_server_but_not_their_launcher(
    bucket_data: tuple[str, Path], place: Workplace, tmp_path: Path
) -> None:
    config = yaml.safe_load(place.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]
    match = re.fullmatch(r"https://(.+):(\d+)", server["server"])
    assert match is not None
    proxy = GateProxy(match[1], int(match[2]))
    proxy.open()
    server["server"], server["tls-server-name"] = f"https://127.0.0.1:{proxy.port}", match[1]
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    said = tmp_path / "output"
    with launcher_process(settings(bucket_data, 2, FOREVER), said, KUBECONFIG=str(tmp_path / "config")) as launcher:
        wait_for(lambda: place.is_training(1) or launcher.poll() is not None)
        proxy.shut()
        time.sleep(30.0)
        proxy.open()
        time.sleep(15.0)
        assert launcher.poll() is None, said.read_text()
        assert place.is_running("1-0")
        assert place.is_running("1-1")
    wait_for(lambda: not any(map(place.is_running, place.pods())), seconds=90.0)
    lines = said.read_text().splitlines()
    epochs = [int(found[1]) for line in lines if (found := re.match(r"train \| epoch (\d+)/\d+ done", line))]
    assert epochs == list(range(1, len(epochs) + 1)), "no line was lost or said twice when the connection broke"
    uri, _ = bucket_data
    folder = next(file.path for file in storage.list_files(uri) if "/checkpoints/" in file.path).split("/check")[0]
    assert names_under(storage.join(uri, folder, "checkpoints")), "the next launch has something to begin with"


@pytest.mark.parametrize(
    ("image", "changes", "message"),
    [
        ("localhost/agrivision-python:none", {}, "worker 0 cannot start: (ErrImagePull|ImagePullBackOff): .*none"),
        (
            None,
            {"node_selector": {"agrivision/no-such": "node"}},
            "worker 0 waited 2 s for a node: .*; is there a node pool",
        ),
        (None, {"cpu": "500"}, "worker 0 waited 2 s for a node: .*Insufficient cpu"),
        (None, {"profile": "gke-gpu-l4"}, "worker 0 waited 2 s for a node: "),
    ],
)
def test_pods_that_cannot_start_end_the_launch_with_the_reason(
    bucket_data: tuple[str, Path],
    place: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    image: str | None,
    changes: dict[str, Any],
    message: str,
) -> None:
    if image:
        monkeypatch.setenv("AGRIVISION_WORKER_IMAGE", image)
    pool = PoolSettings(**changes).pool()
    limits = Limits(scheduled=2.0, faulty=2.0)
    with pytest.raises(WorkersFailed, match=message):
        train_in_pods(settings(bucket_data, 3, 1, num_workers=1), TaskSettings(pool), StepLog("train"), limits)
    assert place.pods() == {}


def test_a_loss_that_is_no_number_is_final_and_said_in_the_worker_s_own_words(
    bucket_data: tuple[str, Path], place: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    diverging = settings(bucket_data, 4, 3, num_workers=1, max_restarts=3, learning_rate=1e30, warmup_fraction=0.0)
    with pytest.raises(DataError, match=r"the loss is (nan|inf) at epoch 1, step \d; lower learning_rate"):
        train_in_pods(diverging, TaskSettings(SMALL), StepLog("train"))
    assert "restart" not in capfd.readouterr().out
    assert place.pods() == {}
