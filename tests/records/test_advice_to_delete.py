"""Whoever finds a shard damaged gives advice that destroys nothing outside the data_root."""

from collections.abc import Callable
from pathlib import Path

import pytest
from reading_a_split import read_by_evaluate
from tile_shards import CLASSES, fake_dataset

from components.contracts import Manifest
from components.errors import DataError
from components.merge.report.contact_sheet import choose_class_examples
from components.records.shard_records import records_of
from components.saved_model.asking import CannotAnswer
from components.train.input.shard_index import index_split


def refuses(_batch: object) -> None:
    raise CannotAnswer("it is damaged")


def read_all(root: str, manifest: Manifest) -> None:
    for _ in records_of(root, manifest.splits["train"].shards[0], len(CLASSES)):
        pass


def read_by_index(root: str, manifest: Manifest) -> None:
    index = index_split(root, manifest.splits["train"], len(CLASSES), single_label=False)
    for record in range(len(index)):
        index.read(record)


def show_examples(root: str, manifest: Manifest) -> None:
    choose_class_examples(CLASSES, {CLASSES[0]: manifest.splits["train"].shards[0].path}, root)


def ask_a_model(root: str, manifest: Manifest) -> None:
    read_by_evaluate(root, manifest, "val", refuses)


READERS: dict[Callable[[str, Manifest], None], str] = {
    read_all: "train",
    read_by_index: "train",
    show_examples: "train",
    ask_a_model: "val",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("is_link", [False, True])
def test_only_a_file_of_the_data_root_is_to_be_deleted(
    tmp_path: Path, reader: Callable[[str, Manifest], None], is_link: bool
) -> None:
    data_root, outside = tmp_path / "data", tmp_path / "precious.tfrecord"
    manifest = fake_dataset(data_root, num_train=6, num_val=4)
    shard = data_root / manifest.splits[READERS[reader]].shards[0].path
    content = bytearray(shard.read_bytes())
    if reader is not ask_a_model:
        content[len(content) // 2] ^= 1
    shard.unlink()
    (outside if is_link else shard).write_bytes(content)
    if is_link:
        shard.symlink_to(outside)

    with pytest.raises(DataError, match="restore it there or remove the link" if is_link else "delete it") as raised:
        reader(str(data_root), manifest)

    assert ("delete it" in str(raised.value)) != is_link
