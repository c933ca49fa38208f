"""What `agrivision submit` tells of a run that ends, waits or hangs in the ways of a real cluster."""

import json
import time

import pytest
from kubeflow_server import DATA_STEPS, FAILED, PUSHED, START, TRAINING, WORKFLOW, frame, node, task, task_node
from kubernetes_server import ScriptedKubernetes

from pipeline.kubeflow import follow
from pipeline.kubeflow.workflow import read_workflow

# As Kubeflow lists the tasks of a run whose nodes Argo has compressed meanwhile: those that it knew before.
CUT = (task("ingest", "SUCCEEDED", 0, 5), task("shard", "RUNNING", 6))
TRAIN_POD = f"{WORKFLOW}-system-container-impl-5"


@pytest.fixture
def looking(monkeypatch):
    """As often as possible; and no patience after the end."""
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0)
    monkeypatch.setattr(follow, "SETTLE_SECONDS", 0.5)


def last(output):
    return json.loads(output.splitlines()[-1])


def nodes_of(partitions, **phases):
    """Returns the nodes of a run with many partitions, and what became of the steps after them."""
    shards = [
        each
        for number in range(partitions)
        for each in (
            task_node("shard", 1000 + number, begin=6, end=9) | {"outputs": {"parameters": [{"value": "x" * 9000}]}},
            node("shard", 2000 + number, path=f"root.for-loop-1.iteration-{number}"),
        )
    ]
    steps = [task_node(step, 10 + at, phase, 20, 50) for at, (step, phase) in enumerate(phases.items())]
    return [task_node("ingest", 1, begin=0, end=5), *shards, *steps]


AFTER = dict.fromkeys(("merge", "train", "evaluate", "gate"), "Succeeded")


@pytest.mark.long
@pytest.mark.parametrize(
    ("phases", "code", "outcome"),
    [
        ({**AFTER, "push": "Succeeded"}, 0, "pushed"),
        ({**AFTER, "push": "Omitted"}, 3, "refused"),
        ({**AFTER, "condition-2": "Skipped"}, 3, "refused"),
    ],
)
@pytest.mark.usefixtures("looking")
def test_a_run_with_64_partitions_is_told_from_the_nodes_that_argo_has_compressed(
    server, submit, phases, code, outcome
):
    server.frames = [frame("RUNNING", *CUT), frame("SUCCEEDED", *CUT)]
    server.packed, server.nodes = True, nodes_of(64, **phases)

    exit_code, output, _ = submit("--json")

    assert (exit_code, last(output)["outcome"]) == (code, outcome)
    assert last(output)["steps"]["shard"] == {"state": "succeeded", "seconds": 3.0, "cached": False}
    assert "train     succeeded in 30 s" in output


@pytest.mark.usefixtures("looking")
def test_the_failed_step_of_such_a_run_is_named_too(server, submit):
    server.frames = [frame("FAILED", *CUT)]
    server.packed = True
    server.nodes = [*nodes_of(16, merge="Succeeded", train="Failed"), node("train", 5, phase="Failed")]
    server.logs[TRAIN_POD] = "train | failed (exit 42): the loss is NaN\n"

    exit_code, _, errors = submit()

    assert exit_code == 1
    assert "train (exit 42): the loss is NaN; its log: kubectl -n kubeflow logs" in errors


@pytest.mark.parametrize("shown", ["nothing", "garbage", "cut", "bomb"])
@pytest.mark.usefixtures("looking")
def test_what_nothing_tells_is_unknown_and_neither_pushed_nor_failed(server, submit, monkeypatch, shown):
    server.frames = [frame("SUCCEEDED", *CUT)]
    server.nodes, server.packed = nodes_of(16, **AFTER, push="Succeeded"), True
    if shown == "nothing":
        server.faults = {"v1beta1": [404] * 99}
    else:
        text = {"garbage": "AAAA", "cut": "H4sIAAAAAAAAAw==", "bomb": None}[shown]
        monkeypatch.setattr("pipeline.kubeflow.workflow._MOST_NODES_BYTES", 1000)
        if text:
            monkeypatch.setattr("kubeflow_server.base64.b64encode", lambda content: text.encode())

    exit_code, output, errors = submit("--json")

    assert (exit_code, last(output)["outcome"]) == (75, "unknown")
    assert "run run-1 has succeeded, but whether it has pushed a model is unknown" in errors


@pytest.mark.parametrize("told", ["by its workflow", "by its states"])
@pytest.mark.usefixtures("looking")
def test_a_terminated_run_is_told_as_terminated_and_not_by_the_deadline_that_ended_its_step(server, submit, told):
    server.frames = [FAILED]
    server.nodes = [node("train", 5, phase="Failed", message="Pod was active on the node longer than the deadline")]
    if told == "by its workflow":
        server.deadline = 0
    else:
        server.frames = [{**FAILED, "state_history": [{"state": "RUNNING"}, {"state": "CANCELING"}]}]

    exit_code, output, errors = submit("--json")

    assert (exit_code, last(output)["outcome"]) == (1, "terminated")
    assert errors == "agrivision: run run-1 was terminated\n"


@pytest.mark.usefixtures("looking")
def test_where_kubeflow_has_no_log_of_a_running_pod_kubernetes_is_asked(server, submit, monkeypatch, tmp_path):
    server.frames = [TRAINING, TRAINING, TRAINING, PUSHED]
    server.nodes = [node("train", 5, phase="Running")]
    with ScriptedKubernetes() as kubernetes:
        monkeypatch.setenv("KUBECONFIG", str(kubernetes.write_kubeconfig(tmp_path)))
        kubernetes.logs[TRAIN_POD] = "train | started\ntrain | 2 of 2 pods wait for a node: no such node pool\n"

        output = submit()[1]

    assert output.count("train     2 of 2 pods wait for a node: no such node pool") == 1
    assert {path for _, path, _ in kubernetes.requests} == {f"/api/v1/namespaces/kubeflow/pods/{TRAIN_POD}/log"}


@pytest.mark.parametrize("cluster", ["none", "another", "hangs"])
@pytest.mark.usefixtures("looking")
def test_where_nobody_has_it_the_command_that_shows_it_is_told_once(server, submit, monkeypatch, tmp_path, cluster):
    monkeypatch.setattr("pipeline.kubeflow.pod_logs._KUBERNETES_SECONDS", 1.0)
    server.frames = [TRAINING, TRAINING, TRAINING, PUSHED]
    server.nodes = [node("train", 5, phase="Running")]
    with ScriptedKubernetes() as kubernetes:
        if cluster != "none":
            monkeypatch.setenv("KUBECONFIG", str(kubernetes.write_kubeconfig(tmp_path)))
        kubernetes.faults = [5.0] * 9 if cluster == "hangs" else []
        began = time.monotonic()
        exit_code, output, _ = submit()

    assert exit_code == 0
    assert output.count(f"train     running; for what it says: kubectl -n kubeflow logs {TRAIN_POD} -c main -f") == 1
    assert time.monotonic() - began < 15, "a cluster that hangs is asked once"


@pytest.mark.usefixtures("looking")
def test_what_a_pod_waits_for_is_told(server, submit):
    server.frames = [TRAINING, TRAINING, PUSHED]
    server.nodes = [node("train", 5, phase="Pending", message="Unschedulable: 0/1 nodes are available")]

    assert "train     waits for its pod: Unschedulable: 0/1 nodes are available" in submit()[1]


REFUSAL = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'


@pytest.mark.usefixtures("looking")
def test_a_pod_that_cannot_be_created_ends_the_run_after_three_times_and_not_81(server, submit):
    server.frames = [frame("RUNNING", task("ingest", "RUNNING", 0))] * 9 + [PUSHED]
    server.nodes = [node("ingest", at, phase="Error", message=REFUSAL) for at in range(3)]

    exit_code, output, errors = submit("--json")

    assert exit_code == 1
    assert f"ingest    gets no pod: {REFUSAL}" in output
    assert errors == (
        f"agrivision: run run-1 failed: ingest gets no pod: {REFUSAL}; the run is terminated, as Kubeflow would go on "
        "trying\n"
    )
    assert server.terminated == ["run-1"]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("ingest", at, phase="Error", message=REFUSAL) for at in range(2)],
        [node("ingest", 1, phase="Running"), *(node("ingest", at, phase="Error", message=REFUSAL) for at in (2, 3, 4))],
        [node("ingest", at, phase="Error", message="pod deleted") for at in range(3)],
    ],
)
@pytest.mark.usefixtures("looking")
def test_a_step_that_got_a_pod_or_may_get_one_goes_on(server, submit, nodes):
    server.frames = [frame("RUNNING", task("ingest", "RUNNING", 0))] * 3 + [PUSHED]
    server.nodes = nodes

    assert submit()[0] == 0
    assert server.terminated == []


def test_a_driver_that_failed_is_told_where_its_step_has_no_pod(server, submit):
    server.frames = [frame("FAILED", *DATA_STEPS, task("train-driver", "FAILED", 20, 30))]
    driver = node("train", 5, phase="Error", message=REFUSAL)
    server.nodes = [{**driver, "name": f"{WORKFLOW}(0).root(0).train-driver(0)", "templateName": "system-driver"}]

    assert submit()[2] == f"agrivision: run run-1 failed: train gets no pod: {REFUSAL}\n"


def test_tasks_have_the_states_and_times_that_kubeflow_gives_them():
    phases = ("Succeeded", "Failed", "Error", "Running", "Pending", "Skipped", "Omitted")
    nodes = {phase: task_node(phase, at, phase, 1, 2) for at, phase in enumerate(phases)}

    tasks = read_workflow(json.dumps({"metadata": {"name": "x"}, "status": {"nodes": nodes}})).tasks

    assert [task.state for task in tasks] == [
        "SUCCEEDED", "FAILED", "FAILED", "RUNNING", "PENDING", "SKIPPED", "SKIPPED",
    ]  # fmt: skip
    assert tasks[0].start_time.isoformat() == START.format(1).replace("Z", "+00:00")
    assert tasks[3].end_time is None
