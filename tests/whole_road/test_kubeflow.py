"""`agrivision submit` and the compiled pipeline on a real Kubeflow Pipelines, with data on a bucket."""

import contextlib
import os
import signal
import time
import uuid

import pytest
from kubeflow_pods import has, in_a_pod, refused_by_restricted
from kubeflow_runs import MARKS, finish, look_here, look_in_a_pod, run_here, submit
from kubeflow_s3 import tiles_on_s3
from pods_on_cluster import count_disk

from components import environment, storage
from components.mirror import mirror
from components.progress import StepLog
from components.storage import bucket
from components.synth.dataset import write_dataset
from pipeline.kubeflow.package import make_package
from pipeline.parameters import VOLUME_CLAIM, VOLUME_PATH

BUCKET = "agri-kubeflow-test"
TILES = {"num_tiles": 90, "tile_size_px": 64, "seed": 1}
pytestmark = [*MARKS, pytest.mark.filterwarnings("ignore:This client only works with Kubeflow Pipeline:FutureWarning")]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", **TILES, num_processes=1)
    return folder


@pytest.fixture(scope="module")
def root(tiles):
    """A folder of a bucket with tiles in it, which goes when all tests are done."""
    from google.api_core.exceptions import Conflict

    from components.storage import whole_folder

    with contextlib.suppress(Conflict):
        bucket._client().create_bucket(BUCKET)
    uri = f"gs://{BUCKET}/{uuid.uuid4().hex}"
    mirror(str(tiles), f"{uri}/tiles", StepLog("mirror"))
    yield uri
    whole_folder.remove(uri, "")


@pytest.fixture(scope="module")
def client():
    import kfp

    return kfp.Client(host=os.environ["KFP_ENDPOINT"])


def state_after(client, run_id, seconds):
    """The state of a run when it has ended, which it must within `seconds`."""
    until = time.monotonic() + seconds
    while (state := client.get_run(run_id).state) not in ("SUCCEEDED", "FAILED", "CANCELED"):
        assert time.monotonic() < until, state
        time.sleep(1)
    return state


@pytest.fixture(scope="module")
def pushed(root):
    """A run that has pushed a model."""
    if has("serviceaccount", "pipeline-runner"):
        count_disk()
    code, run, errors = finish(submit(root))
    assert code == 0, errors
    return run


def test_a_pushed_model_is_0_and_a_refused_one_is_3_with_the_data_steps_from_the_cache(root, pushed):
    assert pushed["outcome"] == "pushed"
    assert storage.exists(f"{root}/models/production.json")
    assert {name: step["state"] for name, step in pushed["steps"].items()} == dict.fromkeys(
        ("check", "ingest", "shard", "merge", "train", "evaluate", "gate", "push"), "succeeded"
    )

    code, run, errors = finish(submit(root, "--gate-min-macro-f1=1.0"))
    assert code == 3, errors
    assert run["outcome"] == "refused"
    assert "is already in production" in run["message"]
    cached = {name for name, step in run["steps"].items() if step["cached"]}
    assert cached == {"ingest", "shard", "merge"}
    assert "push" not in run["steps"]


@pytest.mark.usefixtures("pushed")
def test_a_shard_and_a_receipt_that_are_gone_are_made_anew_instead_of_taken_from_the_cache(root):
    data = f"{root}/data"
    kept = {kind: sorted(each.path for each in storage.list_files(f"{data}/{kind}")) for kind in ("shards", "receipts")}
    gone = [f"{data}/{kind}/{paths[0]}" for kind, paths in kept.items()]
    content = [storage.read_bytes(uri) for uri in gone]
    for uri in gone:
        bucket.delete(uri)

    code, run, errors = finish(submit(root, "--gate-min-macro-f1=1.0"))

    assert code == 3, errors
    assert {name for name, step in run["steps"].items() if step["cached"]} == set()
    assert [storage.read_bytes(uri) for uri in gone] == content
    # From then on, an equal run takes from the cache what this one has made.
    code, run, errors = finish(submit(root, "--gate-min-macro-f1=1.0"))
    assert code == 3, errors
    assert {name for name, step in run["steps"].items() if step["cached"]} == {"ingest", "shard", "merge"}


def test_a_namespace_that_enforces_restricted_admits_the_whole_run(pushed):
    if not has("serviceaccount", "pipeline-runner"):
        pytest.skip("needs the cluster that runs are on, and kubectl (KUBECONFIG)")
    assert refused_by_restricted(pushed["run_id"]) == {}


@pytest.fixture(scope="module")
def here(tiles, tmp_path_factory):
    """What a run on this machine has put into production, of the same tiles with the same settings, and its answers."""
    place = tmp_path_factory.mktemp("here")
    run_here(tiles, place)
    return look_here(f"{place}/models", images_of_a_tile(tiles, tiles))


def images_of_a_tile(tiles, source):
    """The files of one tile, as the model in production takes them, under `source`."""
    rgb = min(tiles.glob("*/field_images/rgb/*.jpg"))
    year = rgb.relative_to(tiles).parts[0]
    kinds = ("field_images/rgb/*.jpg", "field_images/nir/*.jpg", "field_bounds/*.png", "field_masks/*.png")
    return [f"{source}/{year}/{kind.replace('*', rgb.stem)}" for kind in kinds]


@pytest.mark.usefixtures("pushed")
def test_the_model_on_the_bucket_is_that_of_a_run_on_one_machine_to_the_bit(root, tiles, here):
    """With its dataset, thresholds and scores, which its card names."""
    assert look_here(f"{root}/models", images_of_a_tile(tiles, f"{root}/tiles")) == here


def test_the_model_on_a_volume_is_that_too(root, tiles, here):
    if not has("pvc", VOLUME_CLAIM):
        pytest.skip("needs the volume claim that manifests/overlays/kind makes, and kubectl (KUBECONFIG)")
    place = f"{VOLUME_PATH}/tests/{uuid.uuid4().hex}"
    copy = "import sys; from pipeline.cli import main; sys.argv[1:] = ['mirror', *sys.argv[1:]]; main()"
    in_a_pod(copy, f"{root}/tiles", f"{place}/tiles", claim=VOLUME_CLAIM)
    try:
        places = (f"--source-uri={place}/tiles", f"--data-root={place}/data", f"--models-uri={place}/models")
        code, _, errors = finish(submit(root, f"--volume-claim={VOLUME_CLAIM}", *places))
        assert code == 0, errors
        assert look_in_a_pod(VOLUME_CLAIM, f"{place}/models", images_of_a_tile(tiles, f"{place}/tiles")) == here
    finally:
        in_a_pod("import shutil, sys; shutil.rmtree(sys.argv[1])", place, claim=VOLUME_CLAIM)


def test_the_model_of_an_s3_source_is_that_too(root, tiles, here):
    image = environment.ingest_image()
    if image == environment.container_image():
        pytest.skip("needs the ingest image in the cluster (AGRIVISION_INGEST_IMAGE)")
    place = f"{root}/of-s3"
    with tiles_on_s3(image, **TILES) as source:
        places = (f"--source-uri={source}", f"--data-root={place}/data", f"--models-uri={place}/models")
        code, _, errors = finish(submit(root, f"--ingest-image={image}", *places))
    assert code == 0, errors
    assert look_here(f"{place}/models", images_of_a_tile(tiles, tiles)) == here


def start_plainly(client, folder, root, **others):
    """Starts the compiled pipeline as anybody may who has the file: the three places, and what `others` say."""
    path = folder / "agrivision-training.yaml"
    path.write_text(make_package(volume=False, image=environment.container_image()).text)
    places = {"source_uri": f"{root}/tiles", "data_root": f"{root}/data", "models_uri": f"{root}/models"}
    return client.create_run_from_pipeline_package(
        str(path), arguments=places | others, run_name="plainly", experiment_name="tests"
    ).run_id


def test_the_file_and_three_places_are_enough_for_a_run(client, root, tmp_path):
    assert state_after(client, start_plainly(client, tmp_path, root), 540) == "SUCCEEDED"


@pytest.mark.parametrize(
    "wrong",
    [{"train_config": {"epoch": 6}}, {"train_pool": {"profile": "gke-gpu"}}, {"gate_min_macro_f1": 50.0}],
    ids=str,
)
def test_a_wrong_value_ends_a_run_in_its_first_step(client, root, tmp_path, wrong):
    run_id = start_plainly(client, tmp_path, root, **wrong)

    assert state_after(client, run_id, 120) == "FAILED"
    states = {task.display_name: task.state for task in client.get_run(run_id).run_details.task_details}
    assert states["check"] == "FAILED"
    assert states["ingest"] is None


def test_a_failed_run_is_1_and_tells_the_failed_steps_own_words(root):
    code, run, errors = finish(submit(root, source="nothing-here"))

    assert code == 1
    assert run["outcome"] == "failed"
    assert "ingest (exit 42): " in errors
    assert "nothing-here" in errors
    assert "its log: kubectl -n " in errors


def test_a_version_of_the_same_name_with_another_content_is_2(root):
    version = f"test-{uuid.uuid4().hex[:8]}"
    for image, expected in (("example/python:1", 0), ("example/python:1", 0), ("example/python:2", 2)):
        process = submit(root, f"--version={version}", f"--image={image}", "--cron=0 0 0 1 1 *")
        output, errors = process.communicate(timeout=120)
        assert process.returncode == expected, errors
        if expected == 0:
            _forget_recurring(output.strip())
    assert "is not the pipeline compiled here" in errors


def _forget_recurring(recurring_run_id):
    import kfp

    kfp.Client(host=os.environ["KFP_ENDPOINT"]).delete_recurring_run(recurring_run_id)


def test_a_run_that_takes_too_long_is_124_and_goes_on(root, client):
    code, run, _ = finish(submit(root, "--timeout-minutes=0.05"))

    assert code == 124
    assert client.get_run(run["run_id"]).state in ("PENDING", "RUNNING")
    client.terminate_run(run["run_id"])


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_submit_terminates_its_run(root, client, number, expected):
    process = submit(root)
    for line in process.stdout:
        if line.startswith("run "):
            break
    process.send_signal(number)
    code, run, errors = finish(process)

    assert code == expected
    assert f"run {run['run_id']} is terminated" in errors
    assert state_after(client, run["run_id"], 60) != "SUCCEEDED"


def test_a_recurring_run_starts_by_itself(root, client):
    process = submit(root, "--cron=*/2 * * * * *", source="nothing-here")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    recurring_run_id = output.strip()
    try:
        until = time.monotonic() + 90
        while not _runs_of(client, recurring_run_id):
            assert time.monotonic() < until
            time.sleep(1)
    finally:
        # In this order: what a recurring run has started goes with it, and could not be terminated any more.
        client.disable_recurring_run(recurring_run_id)
        for run in _runs_of(client, recurring_run_id):
            client.terminate_run(run.run_id)
        client.delete_recurring_run(recurring_run_id)


def _runs_of(client, recurring_run_id):
    runs = client.list_runs(page_size=50, sort_by="created_at desc").runs or []
    return [run for run in runs if run.recurring_run_id == recurring_run_id]
