"""What `agrivision submit` is given: parameters from a file, options, a token, a volume; and what it refuses."""

import pytest


def test_parameters_come_from_a_file_and_the_command_line_wins(server, submit, tmp_path):
    path = tmp_path / "retrain.yaml"
    path.write_text(
        "# the weekly training\n"
        "data_root: gs://other/data\n"
        "train_num_workers: 3\n"
        "train_config: {epochs: 5, global_batch_size: 33}\n"
        "train_node_selector: {pool: fast}\n"
        "gate_min_macro_f1: 0  # anything is better than nothing\n"
    )

    assert submit(f"--params={path}", "--train-num-workers=11", "--train-tolerations=[]")[0] == 0

    sent = server.runs[0]["runtime_config"]["parameters"]
    assert sent["data_root"] == "gs://b/data"
    assert sent["train_num_workers"] == 11
    assert sent["train_config"] == {"epochs": 5, "global_batch_size": 33}
    assert sent["train_pool"]["node_selector"] == {"pool": "fast"}
    assert sent["gate_min_macro_f1"] == 0
    assert "volume_claim" not in sent


@pytest.mark.parametrize(("given", "expected"), [("true", True), ("TRUE", True), ("false", False)])
def test_a_switch_takes_a_value_as_all_options_do(server, submit, given, expected):
    assert submit(f"--shard-label-masks={given}")[0] == 0
    assert server.runs[0]["runtime_config"]["parameters"]["data_options"]["label_masks"] is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "train_worker: 2",
            "{path}: unknown parameter 'train_worker' (did you mean 'train_num_workers'?); ",
        ),
        ("train_num_workers: two", "train_num_workers must be a whole number, got 'two'"),
        ("train_num_workers: true", "train_num_workers must be a whole number, got True"),
        ("train_strategy: 2", "train_strategy must be text, got 2"),
        ("train_tolerations: {}", "train_tolerations must be a list such as [], got {{}}"),
        ("train_config: [1]", "train_config must be an object such as {{}}, got [1]"),
        ("train_config: fast", "{path}: train_config must be an object such as {{\"epochs\": 2}}, got 'fast'"),
        ("train_pool: {{size: 2}}", "{path}: train_pool: unknown key 'size'; the keys are profile, "),
        ("train_pool: 2", "{path}: train_pool must be an object such as {{}}, got 2"),
        ("data_options: {{seed: 1}}\ningest_seed: 2", "{path}: ingest_seed is given twice, alone and in data_options"),
        (
            "ingest_seed: 1\ningest_seed: 2",
            "{path} is no file of parameters: it has 'ingest_seed' more than once; keep one",
        ),
        ("- ingest_seed", "{path} must set parameters, such as 'train_num_workers: 2', got ['ingest_seed']"),
        ("", "{path} must set parameters, such as 'train_num_workers: 2', got None"),
        ("a: [", "{path} is no file of parameters: while parsing"),
        ("train_profile: gpu", "unknown train_profile 'gpu'; expected one of cpu, "),
        ("train_accelerator_count: 2", "train_accelerator_count is 2, but train_profile cpu has no accelerator"),
        ('{"gate_min_macro_f1": 2}', "gate_min_macro_f1 must be between 0 and 1, got 2"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_sent(server, submit, tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("{{", "{").replace("}}", "}"))

    exit_code, _, errors = submit(f"--params={path}")

    assert exit_code == 2
    assert message.format(path=path) in errors
    assert len(errors.splitlines()) == 1
    assert not server.requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data-root=/mnt/agrivision/data"], "data_root is a folder, '/mnt/agrivision/data', which the steps"),
        (["--data-root=/data", "--volume-claim=c"], "data_root must be a gs:// URI, or under /mnt/agrivision, where"),
        (["--models-uri=gs://<bucket>/models"], "models_uri is still 'gs://<bucket>/models'; replace <bucket>"),
        (["--train-node-selector=fast"], "train_node_selector must be JSON, got 'fast'"),
        (["--image=Example"], "--image must be <registry>/<name>:<tag> or <name>@sha256:<digest>, got 'Example'"),
        (["--ingest-image=a b"], "--ingest-image must be <registry>/<name>:<tag> or <name>@sha256:<digest>, got 'a b'"),
        (
            ["--source-uri=s3://b/t", "--image=e/python:1"],
            "which the image 'e/python:1' cannot read; give --ingest-image",
        ),
        (["--timeout-minutes=0"], "--timeout-minutes must be above 0, got 0; use --no-wait to return at once"),
        (["--timeout-minutes=nan"], "--timeout-minutes must be above 0, got nan"),
        ([f"--train-node-selector={'[' * 100_000}"], "it has too many lists or objects in each other"),
        (
            ['--train-config={"epochs": 2, "epochs": 3}'],
            'train_config must be JSON, got \'{"epochs": 2, "epochs": 3}\'',
        ),
        (['--train-config={"learning_rate": NaN}'], "NaN is no number"),
        ([f"--train-config={'9' * 5000}"], "…: Exceeds the limit"),
        (["--token=hidden\n"], "the token for Kubeflow Pipelines has a character that no request can hold"),
        (["--token=hïdden"], "the token for Kubeflow Pipelines has a character that no request can hold"),
        (["--params=/nowhere/params.yaml"], "cannot read the parameters in '/nowhere/params.yaml'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_sent(server, submit, options, message):
    exit_code, _, errors = submit(*options)

    assert exit_code == 2
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert len(errors) < 1000
    assert "dden" not in errors
    assert not server.requests


@pytest.mark.parametrize("place", ["user:hidden@127.0.0.1:9", "user:hid#den@127.0.0.1", "127.0.0.1:9/?token=hidden"])
def test_an_address_that_holds_a_secret_is_refused_without_showing_it(submit, place):
    exit_code, _, errors = submit(host=f"http://{place}")

    assert exit_code == 2
    assert "must hold no user, password or query" in errors
    assert "hid" not in errors


def test_the_address_may_be_copied_from_a_browser(server, submit):
    assert submit(host=f"{server.url}/#/experiments")[0] == 0


def test_nobody_at_the_address_is_a_bad_setting(submit):
    exit_code, _, errors = submit(host="http://127.0.0.1:9")

    assert exit_code == 2
    assert "no Kubeflow Pipelines answers at 'http://127.0.0.1:9'" in errors
    assert submit(host="")[2].startswith("agrivision: no Kubeflow Pipelines to run on; give --host")


def test_the_token_of_the_environment_is_sent_and_a_bad_one_is_a_bad_setting(server, submit, monkeypatch):
    monkeypatch.setenv("KFP_EXISTING_TOKEN", "secret")
    monkeypatch.setenv("KFP_ENDPOINT", server.url)
    assert submit(host="")[0] == 0
    assert server.tokens == {"Bearer secret"}

    server.faults = {"pipelines": [401] * 9}
    exit_code, _, errors = submit()
    assert exit_code == 2
    assert "401 on request; give a token that may do this" in errors


def test_a_volume_claim_takes_the_pipeline_that_mounts_it(server, submit):
    places = ["--source-uri=gs://b/tiles"]  # and the others beneath /mnt/agrivision, by default
    assert submit("--volume-claim=my-claim", "--version=v1", places=places)[0] == 0

    assert server.runs[0]["runtime_config"]["parameters"]["volume_claim"] == "my-claim"
    kubernetes = server.versions["v1"]["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    assert all("pvcMount" in each for each in kubernetes["deploymentSpec"]["executors"].values())
