"""A training with pods before a scripted API server: what the launcher sends, and what becomes of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_server import COMPLETE, FAILED, ScriptedKubernetes, pod
from pods_launched import launch_pods, scripted_kubernetes

from components import storage
from components.errors import AgrivisionError, DataError, SettingsError
from components.train.launch.lease import LostLease
from components.train.launch.pods.pod_waits import Limits
from components.train.settings.worker_spec import WorkersFailed, WorkerSpec

RUNNING = ([], [pod(0, "Running"), pod(1, "Running")])
DONE = ([COMPLETE], [pod(0, "Succeeded", 0), pod(1, "Succeeded", 0)])
KILLED = ([FAILED], [pod(0, "Failed", 75), pod(1, "Failed", 137)])
EVICTION = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
PREEMPTED = ([FAILED], [pod(0, "Failed", 75), pod(1, "Failed", 143, conditions=[EVICTION])])
GONE = ([FAILED], [])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedKubernetes]:
    with scripted_kubernetes(tmp_path, monkeypatch) as scripted:
        yield scripted


def test_workers_are_started_with_what_they_need_and_nothing_is_left_of_them(
    server: ScriptedKubernetes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.frames = [[([], []), RUNNING, DONE]]
    server.logs = {"pod-0": "2026-11-24T15:00:00Z train | epoch 1/1\n", "pod-1": "hello\n"}
    assert launch_pods(tmp_path) == 0
    (job,), (service,) = server.created("jobs"), server.created("services")
    assert service["metadata"]["ownerReferences"][0]["uid"] == f"uid-{job['metadata']['name']}"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    uri = container["args"][1]
    spec = WorkerSpec.from_json(storage.read_bytes(uri), uri)
    hosts = [address.split(".")[0] for address in spec.addresses]
    assert hosts == [f"{job['metadata']['name']}-{index}" for index in (0, 1)]
    assert spec.manifest_uri.startswith(str(tmp_path / "datasets"))
    assert not spec.follows_launcher
    assert server.objects == {}
    assert capsys.readouterr().out.splitlines() == ["train | epoch 1/1"]
    assert sorted(path.name for path in (tmp_path / "logs" / "launch-1").iterdir()) == [
        "attempt-1-spec.json",
        "attempt-1-worker-0.log",
        "attempt-1-worker-1.log",
    ]


def test_a_crash_uses_up_the_budget_and_a_disruption_does_not(
    server: ScriptedKubernetes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.frames = [
        [RUNNING, PREEMPTED, GONE],
        [RUNNING, KILLED, GONE],
        [RUNNING, PREEMPTED, GONE],
        [RUNNING, KILLED, GONE],
    ]
    server.logs = {"pod-1": "Killed\n"}
    with pytest.raises(WorkersFailed, match=r"worker 1 was killed by SIGKILL; gave up after 1 restarts; full logs in"):
        launch_pods(tmp_path, max_restarts=1)
    names = [job["metadata"]["name"].rpartition("-")[2] for job in server.created("jobs")]
    assert names == ["1", "2", "3", "4"]
    output = capsys.readouterr().out
    assert output.count("worker 1 was taken from its node, PreemptionByScheduler; starting again from the last") == 2
    assert "worker 1 was killed by SIGKILL; restart 1 of 1, from the last checkpoint" in output
    assert "train | worker 1: Killed" in output
    assert server.objects == {}


@pytest.mark.parametrize(("code", "error"), [(42, DataError), (2, SettingsError)])
def test_what_another_attempt_would_not_mend_is_final(
    server: ScriptedKubernetes, tmp_path: Path, code: int, error: type[AgrivisionError]
) -> None:
    server.frames = [[RUNNING, ([FAILED], [pod(0, "Failed", 75), pod(1, "Failed", code)]), GONE]]
    server.logs = {"pod-1": "error: shard x is damaged\n"}
    with pytest.raises(error, match=r"^shard x is damaged$"):
        launch_pods(tmp_path, max_restarts=3)
    assert server.objects == {}


def test_an_equal_job_is_taken_over_and_another_one_is_not(
    server: ScriptedKubernetes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose_the_lease() -> None:
        if server.created("services"):
            raise LostLease("lost the lease")

    server.frames = [[RUNNING, RUNNING, DONE]]
    with pytest.raises(LostLease, match="lost the lease"):
        launch_pods(tmp_path, check=lose_the_lease)
    (job,) = [name for kind, name in server.objects if kind == "jobs"]
    with pytest.raises(SettingsError, match=rf"job '{job}' .* runs this training with other pod settings; it"):
        launch_pods(tmp_path, cpu="2")
    assert ("jobs", job) in server.objects, "it is left alone"
    assert launch_pods(tmp_path) == 0
    assert f"train | job {job} is already running this training; following it" in capsys.readouterr().out
    assert server.objects == {}


def test_a_gang_that_its_queue_takes_back_and_lets_go_again_has_not_failed(
    server: ScriptedKubernetes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ([pod(0, phase, code), pod(1, phase, code)] for phase, code in (("Failed", 143), ("Running", None)))
    for each in second:
        each["metadata"]["name"] += "-again"
    # Of each look: whether the Job is suspended, and its pods.
    looks = [(True, []), (False, RUNNING[1]), (True, first), (True, []), (False, second), (False, DONE[1])]
    suspended = [is_suspended for is_suspended, _ in looks]
    server.frames = [[([COMPLETE] if pods is DONE[1] else [], pods) for _, pods in looks]]
    server.logs = {
        "pod-0": "2026-11-24T15:00:00Z train | first\n",
        "pod-0-again": "2026-11-24T15:01:00Z train | again\n",
    }

    def check() -> None:
        if len(server.requests) > 200:
            raise LostLease("it came to no end")
        for kind, name in server.objects:
            if kind == "jobs" and suspended:
                server.objects[kind, name]["spec"]["suspend"] = suspended.pop(0)

    assert launch_pods(tmp_path, check=check, queue="gpus") == 0
    lines = capsys.readouterr().out.splitlines()
    name = server.created("jobs")[0]["metadata"]["name"]
    waits = f"train | {name} waits in its queue"
    assert lines == [waits, "train | first", waits, "train | again"]


def test_remains_of_an_earlier_launch_are_removed_and_counted_on(server: ScriptedKubernetes, tmp_path: Path) -> None:
    server.frames = [[RUNNING, RUNNING]]

    def leave() -> None:
        if server.created("services"):
            raise LostLease("lost the lease")

    with pytest.raises(LostLease, match="lost the lease"):
        launch_pods(tmp_path, check=leave)
    (job,) = [name for kind, name in server.objects if kind == "jobs"]
    server.objects["jobs", job]["status"] = {"conditions": [FAILED]}
    server.frames_of[job] = [GONE]
    server.frames = [[RUNNING, DONE, GONE]]
    assert launch_pods(tmp_path) == 0
    assert [job["metadata"]["name"].rpartition("-")[2] for job in server.created("jobs")][-1] == "2"


@pytest.mark.parametrize(
    ("frame", "events", "limits", "message"),
    [
        (
            ([], []),
            [{"reason": "FailedCreate", "message": 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'}],
            Limits(created=0.05),
            '0 of 2 worker pods were created within 0 s: FailedCreate: pods "x" is forbidden: violates PodSecurity',
        ),
        (RUNNING, [], Limits(silent=0.3), "worker 0 has written nothing for 0 s; is a peer stuck"),
    ],
)
def test_no_wait_is_for_ever(
    server: ScriptedKubernetes, tmp_path: Path, frame: Any, events: list[Any], limits: Limits, message: str
) -> None:
    server.frames, server.events = [[frame] * 60 + [GONE]], events
    with pytest.raises(WorkersFailed, match=message):
        launch_pods(tmp_path, max_restarts=3, limits=limits)
    assert server.objects == {}


def test_pods_are_never_without_their_network_policy(server: ScriptedKubernetes, tmp_path: Path) -> None:
    server.frames = [[RUNNING, DONE]]
    assert launch_pods(tmp_path) == 0
    policy, job = (server.created(kind)[0]["metadata"]["name"] for kind in ("networkpolicies", "jobs"))
    assert policy == job
    changes = [
        (method, path.split("/")[-2 if method != "POST" else -1], body.get("metadata", {}).get("ownerReferences"))
        for method, path, body in server.requests
        if method != "GET" and not (method == "PATCH" and "jobs" in path)
    ]
    owner = [{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": f"uid-{job}"}]
    assert changes == [
        ("POST", "networkpolicies", None),
        ("POST", "jobs", [{"apiVersion": "v1", "kind": "Pod", "name": "step", "uid": "uid"}]),
        ("PATCH", "networkpolicies", owner),  # now it goes with the Job, should the launcher die
        ("POST", "services", owner),
        ("PATCH", "networkpolicies", None),  # not while this launcher removes the Job
        ("DELETE", "jobs", None),
        ("DELETE", "services", None),
        ("DELETE", "networkpolicies", None),
    ]
    last_look = max(i for i, (method, path, _) in enumerate(server.requests) if method == "GET" and "pods" in path)
    assert server.requests[last_look + 1][0] == "DELETE", "the policy outlived the pods"
    assert server.objects == {}


def test_who_may_not_make_a_network_policy_gets_no_pods_and_one_line(
    server: ScriptedKubernetes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refused = {"networkpolicies"}
    with pytest.raises(
        AgrivisionError,
        match=r"cannot create networkpolicy 'agrivision-\S+-1' in namespace 'agrivision': .* Role in that",
    ):
        launch_pods(tmp_path)
    assert server.created("jobs") == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("ending", [SystemExit(143), RuntimeError("a defect"), DataError("anything")])
def test_whatever_ends_the_launcher_ends_its_workers(
    server: ScriptedKubernetes, tmp_path: Path, ending: BaseException
) -> None:
    def end() -> None:
        if server.created("services"):
            raise ending

    server.frames = [[RUNNING, GONE]]
    with pytest.raises(type(ending), match=re.escape(str(ending))):
        launch_pods(tmp_path, check=end)
    assert server.objects == {}


def test_a_launcher_without_rights_says_which(server: ScriptedKubernetes, tmp_path: Path) -> None:
    server.faults = [403]
    with pytest.raises(AgrivisionError, match=r"cannot list jobs in namespace 'agrivision': .* needs the launcher's R"):
        launch_pods(tmp_path)
