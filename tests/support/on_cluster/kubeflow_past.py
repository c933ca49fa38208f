"""Runs that Kubeflow's list has, as `agrivision collect` finds them."""

import datetime
import json

from kubeflow_server import FAILED, PUSHED, REFUSED, WORKFLOW, node

KEY = "0123456789abcdef" * 4
GATE_LINE = {
    "decision": "push",
    "outcome": "push",
    "training_id": "t1",
    "production_version": "v0",
    "candidate_macro_f1": 0.75,
    "candidate_interval": [0.7, 0.8],
    "production_macro_f1": 0.7,
    "difference": [0.05, 0.01, 0.09],
    "p_value": 0.01,
    "alpha": 0.025,
    "question": 2,
}
_FRAMES = {"pushed": PUSHED, "refused": REFUSED, "failed": FAILED, "terminated": FAILED}


def past_run(run_id, ending, *, days_ago=1.0, data_root="gs://b/data", name="agrivision-training v7 retrain", **more):
    """Returns a run as the API has it; `ending` is an outcome, or a state of one that has not ended."""
    made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    details = _FRAMES.get(ending, {"state": ending, "run_details": {"task_details": []}})
    return {
        **details,
        "run_id": run_id,
        "display_name": name,
        "created_at": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "finished_at": (made + datetime.timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "pipeline_version_reference": {"pipeline_id": "pipe", "pipeline_version_id": "version v7"},
        "runtime_config": {"parameters": {"data_root": data_root, "models_uri": "gs://b/models"}},
        **more,
    }


def add_run(server, run, number=100, gate=GATE_LINE):
    """Adds a run to a server, with its workflow and the log of its gate; newest first, if added in that order."""
    is_terminated = run["display_name"].endswith("terminated")
    ends = {"finishedAt": "2026-11-24T12:01:30Z", "startedAt": "2026-11-24T12:01:00Z"}
    nodes = [node(step, number + at) | ends for at, step in enumerate(("merge", "train", "train", "gate"))]
    server.past.append(run)
    server.workflows[run["run_id"]] = nodes, 0 if is_terminated else 3600
    if gate:
        log = f"gate | numbers {json.dumps(gate)}\ngate | done in 0.1 s: push: better than v0\n"
        server.logs[f"{WORKFLOW}-system-container-impl-{number + 3}"] = log
