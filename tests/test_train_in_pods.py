"""Training with pods on a real cluster, in a restricted namespace, by an account that has the launcher's rights alone.

The data is in a gs:// bucket that the cluster's pods reach; AGRIVISION_IMAGE names an image that its nodes have.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gate_proxy import GateProxy
from train_fixtures import in_background, wait_for, write_data

from components import environment, storage
from components.contracts import Manifest
from components.errors import DataError
from components.progress import StepLog
from components.train.checkpoints import names_under
from components.train.in_pods import train_in_pods
from components.train.profiles import resolve
from components.train.spec import WorkersFailed
from components.train.task_settings import TaskSettings
from components.train.training import Settings
from components.train.waits import Limits

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.gcs,
    pytest.mark.slow,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster (KUBECONFIG)"),
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]
ROLE = Path(__file__).parents[1] / "manifests" / "base" / "launcher-role.yaml"
ADMIN = os.environ.get("KUBECONFIG", "")
ACCOUNT = "launcher"
TUNING = {"image_size_px": 32, "global_batch_size": 8, "learning_rate": 1.5e-4, "reference_batch_size": 4}
SMALL = resolve("cpu", cpu="100m", memory="900Mi")
FOREVER = 10_000  # epochs


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Runs it as whoever runs these tests, who may do more than the launcher."""
    command = ["kubectl", "--kubeconfig", ADMIN, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace that admits restricted pods only, with the launcher's Role, and an account that has it."""
    name = f"train-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    role, _ = yaml.safe_load_all(ROLE.read_text())
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    try:
        kubectl("apply", "-f", "-", text=yaml.safe_dump(space))
        kubectl("apply", "-n", name, "-f", "-", text=yaml.safe_dump_all([role, binding, account]))
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def kubeconfig(namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cluster as the launcher's account sees it."""
    path = tmp_path_factory.mktemp("kube") / "config"
    config = yaml.safe_load(kubectl("config", "view", "--minify", "--raw"))
    request = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    answer = kubectl(
        "create", "--raw", f"/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}/token", "-f", "-", text=request
    )
    config["users"][0]["user"] = {"token": json.loads(answer)["status"]["token"]}
    config["contexts"][0]["context"]["namespace"] = namespace
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A dataset in a bucket, and its manifest here."""
    from google.cloud import storage as google_storage

    root = tmp_path_factory.mktemp("data")
    write_data(root)
    manifest = Manifest.read(root / "manifest.json")
    manifest.write(root / "datasets" / manifest.dataset_id / "manifest.json")
    bucket = f"pods-{uuid.uuid4().hex}"
    google_storage.Client().create_bucket(bucket)
    for file in storage.list_files(str(root)):
        storage.write_bytes(f"gs://{bucket}/{file.path}", (root / file.path).read_bytes())
    return f"gs://{bucket}", root / "manifest.json"


@pytest.fixture(autouse=True)
def settings_of_the_cluster(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path, namespace: str) -> None:
    monkeypatch.setenv("AGRIVISION_WORKER_IMAGE", environment.image())
    monkeypatch.setenv("AGRIVISION_WORKER_NAMESPACE", namespace)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))


def settings(
    data: tuple[str, Path], seed: int, epochs: int, num_workers: int = 2, max_restarts: int = 0, **tuning: Any
) -> Settings:
    config = json.dumps({**TUNING, "seed": seed, "epochs": epochs, **tuning})
    return Settings(
        data_root=data[0],
        train_config=config,
        num_workers=num_workers,
        max_restarts=max_restarts,
        manifest_path=str(data[1]),
    )


def pods_in(namespace: str) -> dict[str, dict[str, Any]]:
    """Returns the pods that are there, by "<attempt>-<index>"."""
    items = json.loads(kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
    return {re.sub(r".*-(\d+-\d+)-\w+$", r"\1", pod["metadata"]["name"]): pod for pod in items}


def is_training(namespace: str, attempt: int) -> bool:
    time.sleep(1.0)
    pod = pods_in(namespace).get(f"{attempt}-0")
    if pod is None or pod["status"]["phase"] != "Running":
        return False
    return " step " in kubectl("logs", "-n", namespace, pod["metadata"]["name"], "--tail=20")


def test_pods_train_and_a_deleted_or_killed_one_does_not_stop_them(
    data: tuple[str, Path], namespace: str, capfd: pytest.CaptureFixture[str]
) -> None:
    thread, results = in_background(
        lambda: train_in_pods(settings(data, 1, 15, max_restarts=1), TaskSettings(SMALL), StepLog("train"))
    )
    wait_for(lambda: is_training(namespace, 1) or not thread.is_alive())
    kubectl("delete", "pod", "-n", namespace, pods_in(namespace)["1-1"]["metadata"]["name"], "--wait=false")
    wait_for(lambda: is_training(namespace, 2) or not thread.is_alive())
    killed = kill_process_of(pods_in(namespace)["2-1"]["metadata"]["uid"])
    thread.join()
    (receipt,) = results
    output = capfd.readouterr().out
    assert receipt.num_restarts == 1 + killed, output
    assert "worker 1 was deleted" in output
    assert "which does not count as a restart" in output
    assert ("worker 1 was killed by SIGKILL; restart 1 of 1, from the last checkpoint" in output) == killed
    assert output.count("train | resumed at epoch") == 1 + killed
    done = re.findall(r"epoch (\d+)/15 done", output)
    assert sorted(set(map(int, done))) == list(range(1, 16)), "every epoch's line came through, over all attempts"
    assert pods_in(namespace) == {}
    assert kubectl("get", "jobs,services", "-n", namespace, "-o", "name") == ""


def kill_process_of(uid: str) -> bool:
    """Kills the worker of a pod on this machine's own node with SIGKILL; returns whether there is such a node."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text().replace("_", "-")
            if uid in group and b"components.train" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        except OSError:  # it has gone
            continue
    return False


SCRIPT = """
import sys, msgspec
from components.progress import StepLog
from components.train.in_pods import train_in_pods
from components.train.profiles import resolve
from components.train.task_settings import TaskSettings
from components.train.training import Settings
train_in_pods(Settings(**msgspec.json.decode(sys.argv[1])), TaskSettings(resolve("cpu", cpu="100m", memory="900Mi")),
              StepLog("train"))
"""


def test_workers_outlive_an_absent_api_server_but_not_their_launcher(
    data: tuple[str, Path], namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]
    match = re.fullmatch(r"https://(.+):(\d+)", server["server"])
    assert match is not None
    proxy = GateProxy(match[1], int(match[2]))
    proxy.open()
    server["server"], server["tls-server-name"] = f"https://127.0.0.1:{proxy.port}", match[1]
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    what = settings(data, 2, FOREVER)
    arguments = json.dumps({name: getattr(what, name) for name in what.__dataclass_fields__})
    with open(tmp_path / "output", "w") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, arguments],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "KUBECONFIG": str(tmp_path / "config")},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: is_training(namespace, 1) or launcher.poll() is not None)
        proxy.shut()
        time.sleep(30.0)
        proxy.open()
        time.sleep(15.0)
        assert launcher.poll() is None, (tmp_path / "output").read_text()
        assert {key: pod["status"]["phase"] for key, pod in pods_in(namespace).items()} == {
            "1-0": "Running",
            "1-1": "Running",
        }
    finally:
        launcher.kill()
        launcher.wait()
    wait_for(lambda: not any(pod["status"]["phase"] == "Running" for pod in pods_in(namespace).values()), seconds=90.0)
    lines = (tmp_path / "output").read_text().splitlines()
    epochs = [int(found[1]) for line in lines if (found := re.match(r"train \| epoch (\d+)/\d+ done", line))]
    assert epochs == list(range(1, len(epochs) + 1)), "no line was lost or said twice when the connection broke"
    folder = next(file.path for file in storage.list_files(data[0]) if "/checkpoints/" in file.path).split("/check")[0]
    assert names_under(storage.join(data[0], folder, "checkpoints")), "the next launch has something to begin with"


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
    data: tuple[str, Path],
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    image: str | None,
    changes: dict[str, Any],
    message: str,
) -> None:
    if image:
        monkeypatch.setenv("AGRIVISION_WORKER_IMAGE", image)
    pool = resolve(**{"profile": "cpu", **changes})
    limits = Limits(scheduled=2.0, faulty=2.0)
    with pytest.raises(WorkersFailed, match=message):
        train_in_pods(settings(data, 3, 1, num_workers=1), TaskSettings(pool), StepLog("train"), limits)
    assert pods_in(namespace) == {}


def test_a_loss_that_is_no_number_is_final_and_said_in_the_worker_s_own_words(
    data: tuple[str, Path], namespace: str, capfd: pytest.CaptureFixture[str]
) -> None:
    diverging = settings(data, 4, 3, num_workers=1, max_restarts=3, learning_rate=1e30, warmup_fraction=0.0)
    with pytest.raises(DataError, match=r"the loss is (nan|inf) at epoch 1, step \d; lower learning_rate"):
        train_in_pods(diverging, TaskSettings(SMALL), StepLog("train"))
    assert "restart" not in capfd.readouterr().out
    assert pods_in(namespace) == {}
