"""The compiled pipeline, as it is committed and as people meet it in the run form."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components import environment
from components.errors import SettingsError
from pipeline.form import fields
from pipeline.kubeflow.package import SOURCE_STEPS
from pipeline.parameters import BUCKET_PLACES, VOLUME_CLAIM, Parameters
from pipeline.steps.check import check

ROOT = Path(__file__).parents[2]
YAML = ROOT / "pipeline/agrivision-training.yaml"
VOLUME_YAML = ROOT / "pipeline/volume/agrivision-training.yaml"
STEPS = {"check", "ingest", "shard", "merge", "train", "evaluate", "gate", "push", "refused"}


def compiled(path, *options, **variables):
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "compile", "--out", str(path), *options]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **variables})
    return path.read_text()


@pytest.fixture(scope="module")
def spec():
    return next(yaml.safe_load_all(YAML.read_text()))


def tasks_of(spec):
    tasks = dict(spec["root"]["dag"]["tasks"])
    for component in spec["components"].values():
        tasks.update(component.get("dag", {}).get("tasks", {}))
    return {name: task for name, task in tasks.items() if name in STEPS}


def kubernetes_of(path):
    """What Kubernetes is told about each step."""
    _, platform = yaml.safe_load_all(path.read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): told for name, told in executors.items()}


@pytest.mark.parametrize(("committed", "options"), [(YAML, []), (VOLUME_YAML, ["--volume"])])
def test_the_committed_yaml_is_current(tmp_path, committed, options):
    """`make compile` has been run since the pipeline last changed."""
    assert compiled(tmp_path / "pipeline.yaml", *options) == committed.read_text()


def test_another_image_changes_only_the_image_lines(tmp_path):
    other = compiled(tmp_path / "pipeline.yaml", AGRIVISION_IMAGE="example/python@sha256:0123")

    changed = [
        (old.strip(), new.strip())
        for old, new in zip(YAML.read_text().splitlines(), other.splitlines(), strict=True)
        if old != new
    ]
    assert len(changed) == len(STEPS)
    assert set(changed) == {("image: localhost/agrivision-python:dev", "image: example/python@sha256:0123")}


def test_what_reads_the_source_may_have_an_image_of_its_own(tmp_path):
    text = compiled(tmp_path / "pipeline.yaml", AGRIVISION_INGEST_IMAGE="example/python:ingest")

    executors = next(yaml.safe_load_all(text))["deploymentSpec"]["executors"]
    apart = {name for name, each in executors.items() if each["container"]["image"] == "example/python:ingest"}
    assert apart == {"exec-ingest", "exec-shard", "exec-merge"}


def test_compiling_needs_neither_tensorflow_nor_numpy(tmp_path):
    probe = (
        "import sys\n"
        "for name in ('tensorflow', 'numpy', 'keras', 'sklearn', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\nfrom pipeline.compile import compile_to\n"
        f"compile_to(Path({str(tmp_path / 'pipeline.yaml')!r}))"
    )

    subprocess.run([sys.executable, "-c", probe], check=True, cwd=ROOT)


def test_the_run_form_shows_every_field_with_its_default_and_its_meaning(spec):
    """Places are the volume's where one is mounted, and those of a bucket that is still to be named elsewhere."""
    volume = next(yaml.safe_load_all(VOLUME_YAML.read_text()))["root"]["inputDefinitions"]["parameters"]

    for inputs, with_volume in ((spec["root"]["inputDefinitions"]["parameters"], False), (volume, True)):
        shown = fields(with_volume)
        assert set(inputs) == set(shown)
        for name, each in inputs.items():
            assert each["defaultValue"] == shown[name].default
            assert each["isOptional"]
            assert " ".join(each["description"].split()) == " ".join(shown[name].help.split())
    assert volume["volume_claim"]["defaultValue"] == VOLUME_CLAIM


def test_a_person_finds_the_three_places_among_some_18_fields():
    assert {*BUCKET_PLACES} <= {*fields(volume=False)}
    assert len(fields(volume=True)) <= 20


def test_the_first_step_takes_every_field_of_the_form_and_everything_waits_for_it(spec):
    assert set(inspect.signature(check.python_func).parameters) == {*fields(volume=False), "what_this_run_does"}
    tasks = spec["root"]["dag"]["tasks"]
    assert "dependentTasks" not in tasks["check"]
    assert tasks["ingest"]["dependentTasks"] == ["check"]

    def first_of(name):
        return name if not (before := tasks[name].get("dependentTasks")) else first_of(before[0])

    assert {first_of(name) for name in tasks} == {"check"}


def test_a_step_has_inputs_by_the_names_of_the_form(spec):
    tokens = {"listing_token", "dataset_token"}
    known = {*fields(volume=True), "partition", "reason", "run_id", "run_name", *tokens}

    for name in STEPS:
        inputs = spec["components"][f"comp-{name}"].get("inputDefinitions", {}).get("parameters", {})
        assert {*inputs} - {"task_config"} <= known, name


def test_either_last_step_leaves_the_record_of_the_run_and_learns_which_run_it_is(spec):
    ends = [
        spec["components"][name]["dag"]["tasks"] for name in spec["components"] if name.startswith("comp-condition")
    ]
    tasks = {name: task["inputs"] for each in ends for name, task in each.items()}

    assert {*tasks} == {"push", "refused"}
    for inputs in tasks.values():
        assert inputs["parameters"]["run_id"] == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
        assert inputs["parameters"]["run_name"] == {"runtimeValue": {"constant": "{{$.pipeline_job_name}}"}}
        assert {"evaluation", "decision_document"} <= {*inputs["artifacts"]}


def test_no_two_nodes_of_the_graph_have_one_name(spec):
    made = [spec["components"][f"comp-{step}"].get("outputDefinitions", {}) for step in STEPS]
    artifacts = [name for outputs in made for name in outputs.get("artifacts", {})]
    assert len(artifacts) == len(set(artifacts))
    names = [task["taskInfo"]["name"] for task in spec["root"]["dag"]["tasks"].values()]
    groups = {name for name in names if name not in STEPS}
    assert groups == {"shard-partitions", "push-if-good-enough", "refused-otherwise"}
    decided = spec["components"]["comp-gate"]["outputDefinitions"]["parameters"]
    assert set(decided) == {"decision", "reason"}


def test_a_place_that_the_run_form_leaves_open_is_refused():
    for name, place in BUCKET_PLACES.items():
        with pytest.raises(SettingsError, match=f"{name} is still '{place}'; replace <"):
            Parameters(**{name: place})


def test_a_volume_claim_is_all_that_a_volume_changes_in_the_steps(spec):
    """Every step mounts it at the same place, and the workers of the train step get it, too."""
    other = next(yaml.safe_load_all(VOLUME_YAML.read_text()))
    claim = other["root"]["inputDefinitions"]["parameters"].pop("volume_claim")
    assert (claim["defaultValue"], claim["isOptional"], claim["parameterType"]) == (VOLUME_CLAIM, True, "STRING")
    assert other["deploymentSpec"] == spec["deploymentSpec"]

    mounting = kubernetes_of(VOLUME_YAML)
    assert set(mounting) == STEPS
    assert all(len(told["pvcMount"]) == 1 for told in mounting.values())
    assert {told["pvcMount"][0]["mountPath"] for told in mounting.values()} == {"/mnt/agrivision"}
    for told in mounting.values():
        del told["pvcMount"]
    assert mounting == kubernetes_of(YAML)


def test_every_step_says_that_it_is_not_root():
    """All else that a namespace with the policy `restricted` asks for, Kubeflow gives to every pod itself."""
    for path in (YAML, VOLUME_YAML):
        told = kubernetes_of(path)
        assert set(told) == STEPS
        assert all(each["securityContext"] == {"runAsNonRoot": True} for each in told.values())


def test_fields_of_the_form_begin_with_their_step_or_name_a_place_or_the_data():
    stages = ("ingest", "shard", "train", "evaluate", "gate", "push", "data", "source")

    for name in fields(volume=False):
        assert name == "models_uri" or name.split("_")[0] in stages, name


def test_what_depends_on_more_than_its_inputs_is_never_cached(spec):
    cached = {name for name, task in tasks_of(spec).items() if task.get("cachingOptions", {}).get("enableCache")}

    assert cached == {"ingest", "shard", "merge"}


def test_the_node_pool_of_a_run_passes_through_the_train_step_to_its_workers(spec):
    """The step's own pod only launches: it takes the volume and the cluster's settings, and none of the pool."""
    component = spec["components"]["comp-train"]
    passed = {each["field"]: each.get("applyToTask", False) for each in component["taskConfigPassthroughs"]}
    assert passed == {
        "RESOURCES": False,
        "KUBERNETES_NODE_SELECTOR": False,
        "KUBERNETES_TOLERATIONS": False,
        "KUBERNETES_VOLUMES": True,
        "ENV": True,
    }
    assert "resources" not in spec["deploymentSpec"]["executors"]["exec-train"]["container"]

    train = kubernetes_of(YAML)["train"]
    (settings,) = train["configMapAsEnv"]
    assert settings["optional"]
    assert settings["configMapName"] == "agrivision"
    assert [each["envVar"] for each in settings["keyToEnv"]] == list(environment.CLUSTER_SETTINGS)
    assert not {"nodeSelector", "tolerations"} & set(train)  # the step gets them as train_pool


def test_the_steps_that_read_the_source_find_where_s3_is_and_the_keys_for_it():
    told = kubernetes_of(YAML)

    assert {step for step, each in told.items() if "secretAsEnv" in each} == set(SOURCE_STEPS)
    for step in SOURCE_STEPS:
        ((settings,), (keys,)) = (told[step]["configMapAsEnv"], told[step]["secretAsEnv"])
        assert (settings["configMapName"], keys["secretName"]) == ("agrivision", "agrivision-s3")
        assert settings["optional"]
        assert keys["optional"]
        assert [each["envVar"] for each in settings["keyToEnv"]] == ["AWS_REGION", "S3_ENDPOINT"]
        names = [(each["secretKey"], each["envVar"]) for each in keys["keyToEnv"]]
        assert names == [(name, name) for name in environment.S3_CREDENTIALS]


def test_light_steps_ask_for_little_and_end_before_they_take_their_node(spec):
    for name in STEPS - {"train"}:
        asked = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]["resources"]
        assert {"resourceCpuRequest", "resourceMemoryRequest", "resourceMemoryLimit"} <= set(asked)
        assert asked["resourceMemoryLimit"] == ("8Gi" if name in ("evaluate", "push") else "4Gi")
        assert not any("CpuLimit" in key for key in asked)


def test_a_step_that_failed_does_not_wait_for_an_attempt_that_never_comes(spec):
    """Kubeflow starts lost pods again by itself; a retry policy would only add the waiting."""
    assert not [name for name, task in tasks_of(spec).items() if "retryPolicy" in task]
