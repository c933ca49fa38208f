"""s3:// as a source: clear where it cannot work; and where it can, the same dataset as from a folder.

The long tests make the ingest environment from its lock, run the compiled components in it as a pod would, through its
own kfp, and read from a real S3 server on loopback.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
import urllib.parse
import urllib.request
import uuid

import pytest
import yaml
from locked_environment import ROOT, locked_environment
from sharded import shard_and_merge

from components import storage
from components.contracts import Inventory, Manifest
from components.errors import SettingsError
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import StepLog
from components.setting import settings_of
from components.synth.dataset import write_dataset
from pipeline.parameters import Parameters

SETTINGS = IngestSettings(layout="auto", shard_size_mb=1, num_partitions=1, num_workers=1)


def test_without_the_ingest_environment_the_message_names_it():
    with pytest.raises(SettingsError, match=r"s3:// needs the ingest environment: .* make mirror"):
        list(storage.list_files("s3://bucket/tiles"))


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "minio:9000"])
def test_an_endpoint_without_http_is_refused(monkeypatch, endpoint):
    monkeypatch.setenv("S3_ENDPOINT", endpoint)

    with pytest.raises(SettingsError, match=f"S3_ENDPOINT must begin with http:// or https://, got '{endpoint}'"):
        storage.read_bytes("s3://bucket/tile.jpg")


@pytest.mark.parametrize("name", ["data_root", "models_uri"])
def test_nothing_is_written_to_s3(name):
    with pytest.raises(SettingsError, match=f"{name} must be a folder or a gs:// URI"):
        Parameters(**{name: "s3://bucket/x"})
    with pytest.raises(SettingsError, match="cannot write to 's3://bucket/x'"):
        storage.write_bytes("s3://bucket/x", b"")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """The tiles in a folder."""
    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", num_tiles=30, seed=3, tile_size_px=64, num_processes=1)
    return folder


@pytest.fixture(scope="module")
def environment():
    return locked_environment("ingest")


@pytest.fixture(scope="module")
def endpoint():
    """An S3 server."""
    server = locked_environment("s3-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [server / "bin/python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def put(url, content=b""):
    """Puts an object, or a bucket, that everybody may read."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Authorization": "AWS4-HMAC-SHA256 Credential=key/x/us-east-1/s3",
        "x-amz-acl": "public-read",
    }
    urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PUT"), timeout=30).close()


@pytest.fixture(scope="module")
def bucket(endpoint, tiles):
    """The tiles in a bucket, with what else is found in one: hidden files, and what a web console calls a folder."""
    put(f"{endpoint}/tiles")
    for file in storage.list_files(str(tiles)):
        put(f"{endpoint}/tiles/paper/{urllib.parse.quote(file.path)}", (tiles / file.path).read_bytes())
    put(f"{endpoint}/tiles/paper/.cache/x.jpg", b"x")
    put(f"{endpoint}/tiles/paper/empty/")
    return "s3://tiles/paper"


def s3_variables(environment, endpoint):
    return {
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "S3_ENDPOINT": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HOME": str(environment),
    }


def run_step(name, variables, place, parameters, inputs=None, outputs=()):
    """Runs a component of the committed YAML, as its pod would."""
    spec = next(yaml.safe_load_all((ROOT / "pipeline/agrivision-training.yaml").read_text()))
    container = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]

    def artifacts(paths):
        # As Kubeflow Pipelines 2.17 sends them: their type is not told.
        return {"artifacts": [{"name": path.name, "uri": str(path), "type": {"instanceSchema": ""}} for path in paths]}

    executor_input = {
        "inputs": {
            "parameterValues": parameters,
            "artifacts": {key: artifacts(paths) for key, paths in (inputs or {}).items()},
        },
        "outputs": {
            "artifacts": {key: artifacts([place / key]) for key in outputs},
            "parameters": {"Output": {"outputFile": str(place / "Output")}},
            "outputFile": str(place / "executor_output.json"),
        },
    }
    place.mkdir(parents=True)
    arguments = [argument.replace("{{$}}", json.dumps(executor_input)) for argument in container["args"]]
    return subprocess.run(
        [*container["command"], *arguments], env=variables, cwd=place, text=True, capture_output=True, timeout=300
    )


def ingest_parameters(source_uri, data_root):
    places = {"source_uri": source_uri, "data_root": str(data_root), "models_uri": f"{data_root}-models"}
    options = {field.name: getattr(SETTINGS, field.name) for field, known in settings_of(IngestSettings) if known.group}
    own = {
        "source_version": "",
        "shard_reference_manifest": "",
        "ingest_layout": SETTINGS.layout,
        "ingest_classes": SETTINGS.classes,
        "train_num_workers": SETTINGS.num_workers,
        "listing_token": "",
    }
    return {**places, **own, "data_options": options}


@pytest.mark.long
@pytest.mark.s3
def test_a_bucket_gives_the_same_manifest_as_a_folder(tmp_path, tiles, environment, endpoint, bucket):
    variables = s3_variables(environment, endpoint)
    data_root = tmp_path / "data"

    done = run_step(
        "ingest", variables, tmp_path / "ingest", ingest_parameters(bucket, data_root), outputs=["inventory"]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    inventory = tmp_path / "ingest/inventory"
    partitions = json.loads((tmp_path / "ingest/executor_output.json").read_text())["parameterValues"]["Output"]
    for partition in partitions:
        parameters = {"data_root": str(data_root), "partition": partition, "dataset_token": ""}
        place = tmp_path / f"shard-{partition}"
        done = run_step("shard", variables, place, parameters, {"inventory": [inventory]}, ["shard_receipts"])
        assert done.returncode == 0, done.stdout + done.stderr
    receipts = [tmp_path / f"shard-{partition}/shard_receipts" for partition in partitions]
    parameters = {"data_root": str(data_root), "shard_reference_manifest": "", "dataset_token": ""}
    inputs = {"inventory": [inventory], "shard_receipts": receipts}
    done = run_step(
        "merge", variables, tmp_path / "merge", parameters, inputs, ["manifest", "data_report", "dataset_origin"]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Inventory.read(inventory).source_uri == bucket

    document = build_inventory(str(tiles), str(tmp_path / "local"), SETTINGS, StepLog("ingest"))
    document.write(tmp_path / "inventory")
    expected = shard_and_merge(tmp_path / "inventory", tmp_path / "local", tmp_path)
    assert Manifest.read(tmp_path / "merge/manifest").sha256 == expected.sha256


@pytest.mark.long
@pytest.mark.s3
def test_a_bucket_that_is_not_there_is_bad_data_in_one_line(tmp_path, environment, endpoint):
    """The process also ends with that exit code, though tensorflow-io would abort it."""
    parameters = ingest_parameters("s3://nowhere/tiles", tmp_path / "data")

    done = run_step(
        "ingest", s3_variables(environment, endpoint), tmp_path / "ingest", parameters, outputs=["inventory"]
    )

    assert done.returncode == 42, done.stdout + done.stderr
    assert "ingest | failed (exit 42): cannot list 's3://nowhere/tiles/': no such bucket or folder" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.s3
def test_a_mirror_of_a_public_bucket_needs_no_credentials_and_goes_on_where_it_stopped(
    tmp_path, tiles, environment, endpoint, bucket
):
    files = {file.path: (tiles / file.path).read_bytes() for file in storage.list_files(str(tiles))}
    first = min(files)
    (tmp_path / first).parent.mkdir(parents=True)
    (tmp_path / first).write_bytes(files[first])
    anonymous = {
        name: value
        for name, value in s3_variables(environment, endpoint).items()
        if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    }
    command = [environment / "bin/python", "-c", "from pipeline.cli import main; main()", "mirror", bucket, tmp_path]

    done = subprocess.run(command, env=anonymous, cwd=ROOT, text=True, capture_output=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"copied {len(files) - 1} files" in done.stdout
    assert "1 already there" in done.stdout
    assert {file.path: (tmp_path / file.path).read_bytes() for file in storage.list_files(str(tmp_path))} == files


@pytest.mark.long
@pytest.mark.s3
@pytest.mark.hostile
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("../owned.jpg", "'..' has the part '..'"),
        ("a/../../owned.jpg", "'a/..' has the part '..'"),
        ("./owned.jpg", "'.' has the part '.'"),
        ("a%1B]0;owned.jpg", r"'a\x1b]0;owned.jpg' has the control character U+001B"),
        ("..%5Cowned.jpg", "has a backslash"),
    ],
)
def test_an_object_with_a_hostile_name_is_not_copied(tmp_path, environment, endpoint, name, fault):
    place = f"hostile-{uuid.uuid4().hex}"
    put(f"{endpoint}/{place}")
    put_as_it_is(endpoint, f"/{place}/tiles/{name}")
    command = [environment / "bin/python", "-c", "from pipeline.cli import main; main()", "mirror"]

    done = subprocess.run(
        [*command, f"s3://{place}/tiles", tmp_path / "deep/er"],
        env=s3_variables(environment, endpoint),
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300,
    )

    assert done.returncode == 42, done.stdout + done.stderr
    assert f"an object in 's3://{place}/tiles' has a name that is not a path below it: " in done.stderr
    assert f"{fault}; rename or remove it" in done.stderr
    assert "\x1b" not in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def put_as_it_is(endpoint, path):
    """Puts an object whose name a client with manners would put in order first."""
    with contextlib.closing(http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)) as connection:
        authorization = "AWS4-HMAC-SHA256 Credential=key/x/us-east-1/s3"
        connection.request("PUT", path, b"x", {"Authorization": authorization, "x-amz-acl": "public-read"})
        assert connection.getresponse().status == 200
