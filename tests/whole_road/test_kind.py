"""`make kind-up`, `kind-run`, `kind-down`, with stand-ins for docker, kind and kubectl that write down their calls."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = (ROOT / "docker/base/Dockerfile").read_text().split("FROM ")[1].strip()
IMAGE = "localhost/agrivision-python:dev"
KFP = "github.com/kubeflow/pipelines/manifests/kustomize"

# What a stand-in answers, beside writing its call down: kind knows the cluster once it was created.
ANSWERS = {
    "docker": "",
    "kind": 'case "$*" in "get clusters") cat $HERE/clusters 2>&- || true;; create*) echo agrivision >$HERE/clusters;;'
    " delete*) rm -f $HERE/clusters;; esac",
    "kubectl": 'case "$*" in *"get nodes"*) echo node/agrivision-worker2;; *readyz*) test -f $HERE/clusters;; esac',
    "agrivision": "exit $(cat $HERE/code 2>&- || echo 0)",
    "python": "",
}


class Machine:
    """A machine with the stand-ins on its PATH, or with some of them missing."""

    def __init__(self, folder, without=()):
        self.folder, self.tools = folder, folder / "tools"
        self.tools.mkdir()
        for tool in ("bash", "cat", "chmod", "grep", "mkdir", "rm", "sed", "sh", "tr"):
            (self.tools / tool).symlink_to(shutil.which(tool))
        for tool in {"docker", "kind", "kubectl"} - set(without):
            self._stand_in(self.tools / tool)
        # An environment that is newer than its lock, so that make leaves it alone.
        (folder / "venv/bin").mkdir(parents=True)
        for tool in ("python", "agrivision"):
            self._stand_in(folder / "venv/bin" / tool)
        (folder / "venv/.run").touch()
        os.utime(folder / "venv/.run", (time.time() + 3600,) * 2)
        (folder / "data/models").mkdir(parents=True)
        (folder / "data/models/production.json").write_text('{"version": "0123456789ab"}\n')

    def _stand_in(self, path):
        path.write_text(f'#!/bin/bash\nHERE={self.folder}\necho "{path.name} $*" >>$HERE/calls\n{ANSWERS[path.name]}\n')
        path.chmod(0o755)

    def make(self, *arguments):
        return subprocess.run(
            [shutil.which("make"), *arguments, f"VENV={self.folder}/venv", f"KIND_DATA={self.folder}/data"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={"PATH": str(self.tools)},
            check=False,
        )

    def calls(self):
        """Returns the calls since the last time."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [re.sub(r"REVISION=\S+", "REVISION=", line).replace(str(self.folder), "HERE") for line in lines]


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("kind-up", "docker"),
        ("kind-up", "kind"),
        ("kind-up", "kubectl"),
        ("kind-run", "kubectl"),
        ("kind-down", "docker"),
        ("kind-down", "kind"),
        ("image", "docker"),
        ("images", "docker"),
        ("scan", "kubectl"),
    ],
)
def test_what_is_missing_is_named_with_where_to_get_it_before_anything_is_done(tmp_path, target, missing):
    machine = Machine(tmp_path, without=[missing])

    result = machine.make(target)

    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith(f"needs {missing}, which is not on PATH; get it from https://")
    assert machine.calls() == []


def test_kind_up_makes_the_cluster_once_and_brings_everything_up_to_date_each_time(tmp_path):
    machine = Machine(tmp_path)

    first = machine.make("kind-up")
    assert first.returncode == 0, first.stderr
    create = "kind create cluster --config manifests/overlays/kind/cluster.yaml --wait 5m"
    each_time = [
        "kind get clusters",
        "kubectl --context kind-agrivision get nodes -l cloud.google.com/gke-accelerator -o name",
        "kubectl --context kind-agrivision patch node/agrivision-worker2 --subresource=status --type=merge"
        ' -p {"status": {"capacity": {"nvidia.com/gpu": "2"}}}',
        f"kubectl --context kind-agrivision apply -k {KFP}/cluster-scoped-resources?ref=2.17.0",
        "kubectl --context kind-agrivision wait --for condition=established --timeout=60s crd --all",
        f"kubectl --context kind-agrivision apply -k {KFP}/env/platform-agnostic?ref=2.17.0",
        f"docker build -t {IMAGE} -f docker/Dockerfile --target cpu --build-arg BASE={BASE} --build-arg REVISION= .",
        f"kind load docker-image --name agrivision {IMAGE}",
        "kubectl --context kind-agrivision apply -k manifests/overlays/kind",
        "kubectl --context kind-agrivision -n kubeflow rollout status --timeout=15m"
        " deployment/ml-pipeline deployment/ml-pipeline-ui",
    ]
    assert machine.calls() == [each_time[0], create, *each_time[1:]]
    assert "http://localhost:8080" in first.stdout
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o777  # the pods' user is not the one who runs make

    assert machine.make("kind-up").returncode == 0
    assert machine.calls() == each_time


def test_kind_run_submits_demo_tiles_from_the_volume_with_the_settings_given_and_shows_what_is_in_production(tmp_path):
    machine = Machine(tmp_path)
    (tmp_path / "clusters").write_text("agrivision\n")

    result = machine.make("kind-run", "NUM_TILES=120", "GATE_MIN_MACRO_F1=0")

    assert result.returncode == 0, result.stderr
    ready, synth, submit = machine.calls()
    assert ready == "kubectl --context kind-agrivision get --raw /readyz"
    assert synth == "agrivision synth --num-tiles 120 HERE/data/tiles-120"
    assert submit == (
        f"agrivision submit --host http://localhost:8888 --image {IMAGE} --volume-claim agrivision-data"
        " --source-uri /mnt/agrivision/tiles-120 --data-root /mnt/agrivision/data"
        " --models-uri /mnt/agrivision/models --gate-min-macro-f1=0"
    )
    assert '"version": "0123456789ab"' in result.stdout


def test_kind_run_does_not_make_the_same_tiles_again(tmp_path):
    machine = Machine(tmp_path)
    (tmp_path / "clusters").write_text("agrivision\n")
    (tmp_path / "data/tiles-600").mkdir()

    assert machine.make("kind-run").returncode == 0
    assert [call.split()[:2] for call in machine.calls()][1:] == [["agrivision", "submit"]]


def test_kind_run_without_a_cluster_says_how_to_make_one(tmp_path):
    machine = Machine(tmp_path)

    result = machine.make("kind-run")

    assert result.returncode == 2
    assert "no cluster answers; make one with: make kind-up" in result.stderr
    assert [call.split()[0] for call in machine.calls()] == ["kubectl"]


def test_a_failed_run_fails_kind_run(tmp_path):
    machine = Machine(tmp_path)
    (tmp_path / "clusters").write_text("agrivision\n")
    (tmp_path / "data/tiles-600").mkdir()
    (tmp_path / "code").write_text("1")

    result = machine.make("kind-run")

    assert result.returncode == 2
    assert "production" not in result.stdout.splitlines()[-1]


def test_kind_down_can_be_repeated_and_leaves_the_data(tmp_path):
    machine = Machine(tmp_path)

    for _ in range(2):
        assert machine.make("kind-down").returncode == 0
        assert machine.calls() == ["kind delete cluster --name agrivision"]
    assert (tmp_path / "data/models/production.json").exists()
