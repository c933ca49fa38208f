"""The ingest component, called as a step calls it."""

from pathlib import Path

import pytest
from ingested import challenge_paths
from kfp import dsl
from tile_listing import write_files

from components.contracts import Inventory, KnownListing
from components.ingest.component import ingest
from components.progress import parse_line

TOKEN = "0123456789abcdef-0123456789abcdef"


def run_component(source_uri: str, tmp_path: Path, **changes) -> tuple[list[str], Inventory]:
    """Calls the component's function as a step does."""
    settings = {
        "source_version": "", "shard_reference_manifest": "", "ingest_layout": "auto", "ingest_classes": "",
        "data_options": {"num_partitions": 2.0}, "train_num_workers": 2, "listing_token": TOKEN,
    }  # fmt: skip
    artifact = dsl.Dataset(uri=str(tmp_path / "artifacts" / "inventory"))
    places = {"source_uri": source_uri, "data_root": str(tmp_path / "data"), "models_uri": str(tmp_path / "models")}
    partitions = ingest.python_func(inventory=artifact, **places | settings | changes)
    return partitions, Inventory.read(artifact.path)


def test_the_component_returns_the_partitions_as_text_and_tells_what_it_found(tmp_path, capsys):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    partitions, inventory = run_component(source_uri, tmp_path)
    assert partitions == ["0", "1"] == [str(partition.index) for partition in inventory.partitions]
    listed = KnownListing.read(tmp_path / "data/requests/0123456789abcdef/listing.json")
    assert (listed.token, listed.inventory_sha256) == (TOKEN, inventory.sha256)
    assert (tmp_path / f"data/documents/{inventory.sha256}.json").read_bytes() == inventory.to_json()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("ingest | done in ")
    assert ": found 52 tiles of 13 fields in layout challenge-2020 (32 train, 8 val, 12 test; split official" in last
    assert last.endswith("8 without labels set aside; planned 4 shards in 2 partitions")


@pytest.mark.parametrize(
    ("source", "changes", "exit_code"),
    [
        ("tiles", {"ingest_layout": "tiff"}, 2),
        ("tiles", {"train_num_workers": 100}, 2),
        ("tiles", {"data_options": {"seed": 2.5}}, 2),
        ("tiles", {"data_options": {"sead": 2}}, 2),
        ("tiles", {"models_uri": "gs://<bucket>/models"}, 2),  # as the run form has it at first
        ("nowhere", {}, 42),
    ],
)
def test_the_component_fails_with_one_line_and_an_exit_code(tmp_path, capsys, source, changes, exit_code):
    write_files(tmp_path / "tiles", challenge_paths())
    with pytest.raises(SystemExit, match=f"^{exit_code}$"):
        run_component(str(tmp_path / source), tmp_path, **changes)
    ours = [line for line in map(parse_line, capsys.readouterr().out.splitlines()) if line]
    assert (ours[-1].step, ours[-1].kind, ours[-1].exit_code) == ("ingest", "failed", exit_code)
