"""The compiled sweep: what it shares with training, its rungs, its run form, and how `submit` starts it."""

import datetime
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kubeflow_server import PUSHED, ScriptedKubeflow, frame, node, submitter, task

from components.errors import SettingsError
from components.sweep.settings import SweepSettings
from pipeline.compile import COMMITTED, SWEEP, TRAINING
from pipeline.kubeflow.package import DESCRIPTION, PIPELINE_NAME, SWEEP_DESCRIPTION, SWEEP_NAME, make_package
from pipeline.kubeflow.run_status import steps_of
from pipeline.kubeflow.workflow import read_workflow
from pipeline.parameters import Parameters
from pipeline.steps.propose import propose
from pipeline.steps.proposing import propose_trials, sweep_line
from pipeline.sweep_form import propose_sweep, sweep_fields, sweep_settings, sweep_values

ROOT = Path(__file__).parents[2]
RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
SIZES = {"steps_per_call": {"low": 1, "high": 40}, "global_batch_size": [8, 16]}
OF_SWEEP = {"propose", "trial", "trial-2", "trial-3", "keep", "keep-2", "choose"}


def documents(name=SWEEP, volume=False):
    return list(yaml.load_all(COMMITTED[name, volume].read_text(), yaml.CSafeLoader))


def tasks_of(spec):
    tasks = dict(spec["root"]["dag"]["tasks"])
    for component in spec["components"].values():
        tasks.update(component.get("dag", {}).get("tasks", {}))
    return tasks


def kubernetes_of(platform):
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): told for name, told in executors.items()}


@pytest.mark.parametrize("volume", [False, True])
def test_the_committed_yaml_is_current(tmp_path, volume):
    """`make compile` has been run since the pipeline last changed."""
    path = tmp_path / "pipeline.yaml"
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "compile", "--sweep", "--out", str(path)]
    options = ["--volume"] if volume else []
    subprocess.run([*command, *options], check=True, capture_output=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin"})

    assert path.read_text() == COMMITTED[SWEEP, volume].read_text()


def test_what_it_shares_with_training_is_the_same_in_both():
    """Each step has the code, the image and the resources that it has there, and Kubernetes is told the same of it."""
    (sweep, sweep_platform), (training, training_platform) = documents(), documents(TRAINING)
    executors, shared = sweep["deploymentSpec"]["executors"], training["deploymentSpec"]["executors"]

    assert {name: executors[name] for name in shared} == shared
    told, told_there = kubernetes_of(sweep_platform), kubernetes_of(training_platform)
    assert {name: told[name] for name in told_there} == told_there
    assert set(told) - set(told_there) == OF_SWEEP


def test_a_volume_claim_is_all_that_a_volume_changes_in_the_steps():
    (plain, plain_platform), (other, platform) = documents(), documents(volume=True)
    assert other["deploymentSpec"] == plain["deploymentSpec"]

    mounting = kubernetes_of(platform)
    assert {told.pop("pvcMount")[0]["mountPath"] for told in mounting.values()} == {"/mnt/agrivision"}
    assert mounting == kubernetes_of(plain_platform)


def test_the_run_form_shows_every_field_with_its_default_and_its_meaning():
    for volume in (False, True):
        inputs = documents(volume=volume)[0]["root"]["inputDefinitions"]["parameters"]
        shown = sweep_fields(volume)
        assert set(inputs) == set(shown)
        for name, each in inputs.items():
            assert each["defaultValue"] == shown[name].default
            assert " ".join(each["description"].split()) == " ".join(shown[name].help.split())


def test_everything_waits_for_the_check_and_the_proposals():
    tasks = documents()[0]["root"]["dag"]["tasks"]

    assert tasks["propose"]["dependentTasks"] == ["check"]
    assert tasks["ingest"]["dependentTasks"] == ["check", "propose"]
    taken = set(inspect.signature(propose.python_func).parameters) - {"sweep", "what_this_sweep_does"}
    assert taken == {name for name in sweep_fields(False) if name.startswith(("train_", "sweep_"))} | {"data_options"}


def test_each_rung_is_a_loop_of_at_most_four_trials_at_a_time_over_what_the_step_before_asks():
    spec = documents()[0]
    tasks = spec["root"]["dag"]["tasks"]
    loops = [tasks[name] for name in sorted(tasks) if tasks[name]["taskInfo"]["name"].startswith("rung-")]

    assert [each["taskInfo"]["name"] for each in loops] == ["rung-1", "rung-2", "rung-3"]
    assert [each["iteratorPolicy"]["parallelismLimit"] for each in loops] == [4, 4, 4]
    before = [each["parameterIterator"]["items"]["inputParameter"] for each in loops]
    assert before == [f"pipelinechannel--{step}-Output" for step in ("propose", "keep", "keep-2")]
    assert tasks["train"]["dependentTasks"] == ["choose", "merge"]
    config = tasks["train"]["inputs"]["parameters"]["train_config"]
    assert config == {"taskOutputParameter": {"outputParameterKey": "Output", "producerTask": "choose"}}


def test_only_the_steps_of_the_dataset_are_cached_and_no_step_is_root():
    spec, platform = documents()

    cached = {name for name, each in tasks_of(spec).items() if each.get("cachingOptions", {}).get("enableCache")}
    assert {name for name in cached if not name.startswith("for-loop")} <= {"ingest", "shard", "merge", *_groups(spec)}
    assert all(told["securityContext"] == {"runAsNonRoot": True} for told in kubernetes_of(platform).values())


def _groups(spec):
    return {name for name, each in tasks_of(spec).items() if "dag" in spec["components"][each["componentRef"]["name"]]}


def test_trials_hand_their_node_pool_to_workers_as_train_does():
    spec, platform = documents()
    passed = spec["components"]["comp-train"]["taskConfigPassthroughs"]

    for name in ("trial", "trial-2", "trial-3"):
        assert spec["components"][f"comp-{name}"]["taskConfigPassthroughs"] == passed
        assert "resources" not in spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
        assert kubernetes_of(platform)[name] == kubernetes_of(platform)["train"]


def test_submit_knows_the_pipelines_by_the_names_that_the_compiler_gives_them():
    for name, description, form in ((PIPELINE_NAME, DESCRIPTION, None), (SWEEP_NAME, SWEEP_DESCRIPTION, {"x": 1})):
        package = make_package(False, image="example/python:1", sweep_form=form)
        info = package.documents[0]["pipelineInfo"]
        assert (info["name"], info["description"]) == (package.name, package.description) == (name, description)
        assert "localhost/agrivision-python:dev" not in package.text


def test_the_form_and_the_options_make_the_same_sweep(tmp_path):
    settings = SweepSettings(search=SIZES | RATES, num_trials=5, num_seeds=3, num_rungs=3)
    here = propose_sweep(Parameters(train_config={"loss": "focal"}), settings)
    # As it comes from Kubeflow: with floats for whole numbers, and keys in another order.
    form = json.loads(json.dumps(sweep_values(settings), sort_keys=True), parse_int=float)

    proposal = propose_trials(
        {"train_config": {"loss": "focal"}},
        form["sweep_search"],
        form["sweep_options"],
        str(tmp_path / "sweep.json"),
        str(tmp_path / "plan.md"),
    )

    assert (tmp_path / "sweep.json").read_bytes() == here.to_json()
    assert proposal.entries == [f"{number} in rung 1" for number in range(1, 6)]
    assert proposal.line == sweep_line(here)
    assert sweep_line(here) == (
        "5 trials of global_batch_size, learning_rate, steps_per_call, with 3 seeds each; trials x epochs: "
        "5 x 2 → 2 x 7 → 1 x 20"
    )
    plan = (tmp_path / "plan.md").read_text()
    assert "- **Rung 2**: 2 trials for 7 epochs" in plan
    assert "- **In all**: 24 trainings, together 132 epochs" in plan


@pytest.mark.parametrize(
    ("parameters", "search", "options", "message"),
    [
        ({}, {"learning_rate": [0.1, -1]}, {}, "sweep_search: learning_rate must be above 0, got -1"),
        ({}, RATES, {"num_trial": 3}, r"sweep_options: unknown key 'num_trial' \(did you mean 'num_trials'\?\)"),
        ({}, RATES, {"num_trials": 0}, "sweep_num_trials must be between 1 and 64, got 0"),
        ({"train_epochs": 2}, RATES, {"num_rungs": 3}, "train_epochs must be larger to be divided among"),
        (
            {"train_config": {"learning_rate": 0.1}},
            RATES,
            {},
            "train_config sets learning_rate, which sweep_search var",
        ),
        (
            {},
            {"global_batch_size": [8, 9]},
            {},
            r"trial 2 \(global_batch_size=9\): global_batch_size must be a multiple",
        ),
        ({}, {"head": ["tile", "cam"]}, {}, r"trial 2 \(head=cam\): shard_label_masks must be true for head cam"),
        (
            {"data_options": {"tile_size_px": 64}},
            {"image_size_px": [64, 96]},
            {},
            r"trial 2 \(image_size_px=96\):",
        ),
        ({"train_config": {"seed": 2**32 - 1}}, RATES, {}, "seed must be at least 0 and below 2"),
    ],
)
def test_what_cannot_succeed_is_refused_before_any_data_is_read(tmp_path, parameters, search, options, message):
    plan = tmp_path / "plan.md"
    with pytest.raises(SettingsError, match=message):
        propose_trials(parameters, search, options, str(tmp_path / "sweep.json"), str(plan))
    assert plan.read_text().startswith("# This sweep cannot succeed\n")
    assert not (tmp_path / "sweep.json").exists()


@pytest.mark.parametrize(("num_rungs", "warns"), [(2, True), (1, False)])
def test_the_plan_warns_of_what_means_more_in_a_short_training(tmp_path, num_rungs, warns):
    search, plan = {"early_stopping_patience": [2, 5]}, tmp_path / "plan.md"
    propose_trials({}, search, {"num_rungs": num_rungs}, str(tmp_path / "sweep.json"), str(plan))

    assert ("**Counted in epochs**: `early_stopping_patience`, which" in plan.read_text()) is warns


def test_no_settings_of_a_sweep_get_lost_in_the_form():
    settings = SweepSettings(search=RATES, num_trials=5, num_seeds=3, num_rungs=1, reduction=4, seed=9)
    form = sweep_values(settings)

    assert sweep_settings(form["sweep_search"], form["sweep_options"]) == settings


def test_submit_starts_the_sweep_with_its_form(monkeypatch, capsys):
    with ScriptedKubeflow() as server:
        submit = submitter(server, monkeypatch, capsys)
        server.frames = [PUSHED]
        code, output, errors = submit("--search=learning_rate=1e-4..1e-2:log", "--sweep-num-trials=4", "--json")

    assert code == 0
    assert errors == "4 trials of learning_rate, with 2 seeds each; trials x epochs: 4 x 7 → 2 x 20\n"
    (run,) = server.runs
    given = run["runtime_config"]["parameters"]
    assert set(given) == set(sweep_fields(volume=False))
    assert given["sweep_search"] == RATES
    assert given["sweep_options"]["num_trials"] == 4
    assert run["display_name"].startswith("agrivision-sweep ")
    assert json.loads(output.splitlines()[-1])["outcome"] == "pushed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sweep-num-trials=4"], "agrivision: --sweep-num-trials needs --search, which says what to vary"),
        (["--search=learning_rate=0.1,-1"], "agrivision: sweep_search: learning_rate must be above 0, got -1"),
    ],
)
def test_submit_refuses_a_bad_sweep_before_it_asks_any_server(monkeypatch, capsys, options, message):
    with ScriptedKubeflow() as server:
        code, _, errors = submitter(server, monkeypatch, capsys)(*options)

    assert (code, server.requests) == (2, [])
    assert errors.startswith(message)
    assert errors.count("\n") == 1


def test_the_trials_of_all_rungs_are_one_step_when_a_run_is_followed():
    nodes = {}
    for number, step in enumerate(("propose", "trial", "trial-2", "keep", "keep-2", "choose", "train")):
        nodes[str(number)] = node(step, number, path="root.for-loop-1.iteration-item(0)")
    text = json.dumps({"metadata": {"name": "agrivision-training-x7"}, "status": {"nodes": nodes}})
    assert [pod.step for pod in read_workflow(text).pods] == [
        "propose", "trial", "trial", "keep", "keep", "choose", "train",
    ]  # fmt: skip

    names = [("trial", "SUCCEEDED", 1, 5), ("trial-2", "SUCCEEDED", 7, 9), ("trial-3-driver", "FAILED", 9, 10)]
    tasks = frame("RUNNING", *(task(*each) for each in names))["run_details"]["task_details"]
    found = steps_of([_with_times(each) for each in tasks])
    assert [(name, step.state, step.seconds) for name, step in found.items()] == [("trial", "failed", 9.0)]


def _with_times(each):
    times = {name: datetime.datetime.fromisoformat(each[name]) for name in ("start_time", "end_time")}
    return SimpleNamespace(**{**each, **times})


def test_a_task_that_kubeflow_has_given_no_name_yet_is_none_of_the_steps():
    named, nameless = (
        _with_times(each)
        for each in frame("RUNNING", task("ingest", "RUNNING", 1, 2), task("", "RUNNING", 1, 2))["run_details"][
            "task_details"
        ]
    )
    nameless.display_name = None

    assert list(steps_of([nameless, named])) == ["ingest"]
