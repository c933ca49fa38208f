"""The data steps under a cache that, like Kubeflow's, never looks into data_root: kfp.local's own, which is opt-in."""

import logging

import pytest
from kfp import dsl, local

from components.contracts import Manifest
from components.ingest.component import ingest
from components.merge.component import merge
from components.shard.component import shard
from components.synth.dataset import write_dataset
from pipeline.form import form_values
from pipeline.parameters import Parameters
from pipeline.steps.check import check

pytestmark = pytest.mark.long


@pytest.fixture
def run(tmp_path, caplog):
    """Runs the first half of the pipeline on a small source; returns the steps that came from the cache."""
    write_dataset(tmp_path / "tiles", layout="paper-2020", num_tiles=24, seed=1, tile_size_px=64, num_processes=1)
    places = {name: str(tmp_path / name) for name in ("data_root", "models_uri")}
    parameters = Parameters(source_uri=str(tmp_path / "tiles"), ingest_num_partitions=1, **places)
    form = form_values(parameters)
    root = tmp_path / "artifacts"
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(root), raise_on_error=True, enable_caching=True)

    @dsl.pipeline
    def data_steps():
        first = check(**form).set_caching_options(False)
        dataset_token = first.outputs["dataset_token"]
        listed = (*("source_uri", "source_version", "data_root", "models_uri", "shard_reference_manifest"),)
        listed += ("ingest_layout", "ingest_classes", "data_options", "train_num_workers")
        tiles = ingest(**{name: form[name] for name in listed}, listing_token=first.outputs["listing_token"])
        data_root, inventory = form["data_root"], tiles.outputs["inventory"]
        with dsl.ParallelFor(tiles.outputs["Output"]) as partition:
            shards = shard(data_root=data_root, partition=partition, dataset_token=dataset_token, inventory=inventory)
        merge(
            data_root=data_root,
            shard_reference_manifest="",
            dataset_token=dataset_token,
            inventory=inventory,
            shard_receipts=dsl.Collected(shards.outputs["shard_receipts"]),
        )

    def run_once():
        caplog.clear()
        with caplog.at_level(logging.INFO):
            data_steps()
        hits = [record.getMessage() for record in caplog.records if "cache hit" in record.getMessage()]
        return {name for name in ("ingest", "shard", "merge") if any(name in hit for hit in hits)}

    return run_once, tmp_path / "data_root"


def files_of(root, *kinds):
    return {path: path.read_bytes() for kind in kinds for path in root.glob(kind)}


def test_what_is_gone_is_made_anew_and_all_else_comes_from_the_cache(run):
    once, root = run
    kinds = ("shards/*", "receipts/*", "datasets/*/manifest.json", "inventories/*/*")
    assert once() == set()
    made = files_of(root, *kinds)
    assert once() == {"ingest", "shard", "merge"}

    min(root.glob("shards/*.tfrecord")).unlink()
    min(root.glob("receipts/*")).unlink()
    assert once() == set()

    assert files_of(root, *kinds) == made
    (uri,) = root.glob("datasets/*/manifest.json")
    assert Manifest.read(uri).num_tiles == 24
    assert once() == {"ingest", "shard", "merge"}
