"""How a pod of a Job learns which of a training's processes it is, and where the others are."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from worker_specs import changed, spec_in

from components.errors import EXIT_SETTINGS
from components.train.peers.job_member import NoSuchPeer, take_place
from components.train.settings.worker_spec import EXIT_STOPPED, WorkerSpec


@pytest.fixture(autouse=True)
def no_tf_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "")


def spec(root: Path, **changes: object) -> WorkerSpec:
    addresses = ("127.0.0.1:2222", "localhost:2222")
    given = {"addresses": addresses, "rendezvous": "worker-0.workers:2223", **changes}
    return changed(spec_in(root), **given)


@pytest.mark.parametrize(("index", "rendezvous"), [(0, "0.0.0.0:2223"), (1, "worker-0.workers:2223")])
def test_a_pod_takes_its_place_by_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int, rendezvous: str
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
    assert take_place(spec(tmp_path)).rendezvous == rendezvous
    told = json.loads(os.environ["TF_CONFIG"])
    assert told["task"] == {"type": "worker", "index": index}
    assert told["cluster"] == {"worker": ["127.0.0.1:2222", "localhost:2222"]}


def test_a_process_that_is_no_pod_is_left_as_it_is(tmp_path: Path) -> None:
    assert take_place(spec(tmp_path, addresses=())) == spec(tmp_path, addresses=())
    assert os.environ["TF_CONFIG"] == ""


def test_a_peer_without_a_name_is_waited_for_and_then_said(tmp_path: Path) -> None:
    began = time.monotonic()
    nobody = spec(tmp_path, addresses=("127.0.0.1:2222", "nobody.invalid:2222"), peer_wait_seconds=0.6)
    with pytest.raises(NoSuchPeer, match=r"waited 1 s, but the name nobody\.invalid does not resolve: "):
        take_place(nobody)
    assert time.monotonic() - began > 0.6


def test_a_worker_that_does_not_see_its_launcher_s_data_root_says_so(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "components.train", "--spec", str(tmp_path / "spec.json")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert result.returncode == EXIT_SETTINGS
    assert result.stdout.startswith(
        f"error: no spec '{tmp_path}/spec.json'; can this worker see its launcher's data_root"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="making a process the first of its namespace takes root")
def test_the_first_process_of_a_container_heeds_sigterm(tmp_path: Path) -> None:
    script = (
        "import time; from components.train.peers.lifeline import heed_sigterm; heed_sigterm(); print('on', flush=True)"
    )
    script += "; time.sleep(30)"
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), 15)
        assert process.wait(timeout=10.0) == EXIT_STOPPED
