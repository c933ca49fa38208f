"""Damaged shards, and the tables beside them: each is named by whoever reads it, and none is taken for what it was.

The quick tests make some hundred mutations, the slow ones thousands.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from mutations import SCALES, mutations
from numpy.typing import NDArray
from reading_a_split import read_by_evaluate
from sharded import small_dataset
from small_source import CLASSES

from components.contracts import Manifest
from components.dataset.audit.verify import verify_manifest
from components.dataset.field_file import beside, check_fields, read_fields
from components.errors import DataError
from components.records.tile_record import Record
from components.train.input.shard_index import index_split


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Manifest]:
    return small_dataset(tmp_path_factory.mktemp("dataset"))


def read_by_training(data_root: Path, manifest: Manifest) -> list[bytes]:
    index = index_split(str(data_root), manifest.splits["test"], len(CLASSES), single_label=False)
    return [index.read(record) for record in range(len(index))]


def read_by_pass(data_root: Path, manifest: Manifest) -> list[str]:
    def answer(batch: Sequence[Record]) -> NDArray[np.float32]:
        return np.zeros([len(batch), len(CLASSES)], np.float32)

    return read_by_evaluate(str(data_root), manifest, "test", answer)


def read_by_verify(data_root: Path, manifest: Manifest) -> str:
    return str(verify_manifest(str(data_root / f"datasets/{manifest.sha256[:16]}/manifest.json")))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("read", "count"), [(read_by_training, 90), (read_by_pass, 4), (read_by_verify, 6)])
def test_a_damaged_shard_is_named_by_whoever_reads_it(
    dataset: tuple[Path, Path, Manifest], read: Callable[[Path, Manifest], object], count: int, scale: int
) -> None:
    data_root, _, manifest = dataset
    expected = read(data_root, manifest)
    shard = data_root / manifest.splits["test"].shards[1].path
    content = shard.read_bytes()
    try:
        for damaged in mutations(content, count * scale, seed=count):
            shard.write_bytes(damaged)
            with pytest.raises(DataError, match=shard.name) as raised:
                read(data_root, manifest)
            assert len(str(raised.value).splitlines()) == 1
    finally:
        shard.write_bytes(content)
    assert read(data_root, manifest) == expected


@pytest.mark.parametrize("scale", SCALES)
def test_a_damaged_table_of_records_is_named_by_training_and_by_verify(
    dataset: tuple[Path, Path, Manifest], scale: int
) -> None:
    data_root, _, manifest = dataset
    table = data_root / f"shards/{manifest.splits['test'].records_sha256}.records"
    content = table.read_bytes()
    try:
        for damaged in mutations(content, 10 * scale, seed=4):
            table.write_bytes(damaged)
            for read in (read_by_training, read_by_verify):
                with pytest.raises(DataError, match=table.name):
                    read(data_root, manifest)
    finally:
        table.write_bytes(content)


@pytest.mark.parametrize("scale", SCALES)
def test_the_sums_by_field_are_those_of_the_manifest_or_refused(
    dataset: tuple[Path, Path, Manifest], tmp_path: Path, scale: int
) -> None:
    data_root, _, manifest = dataset
    folder = data_root / f"datasets/{manifest.sha256[:16]}"
    (tmp_path / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    for damaged in mutations((folder / "fields.jsonl").read_bytes(), 10 * scale, seed=1):
        (tmp_path / "fields.jsonl").write_bytes(damaged)
        for read in (read_fields, check_fields_beside):
            with pytest.raises(DataError, match=r"fields\.jsonl"):
                read(str(tmp_path / "manifest.json"), manifest)


def check_fields_beside(manifest_uri: str, manifest: Manifest) -> None:
    check_fields(beside(manifest_uri), manifest)
