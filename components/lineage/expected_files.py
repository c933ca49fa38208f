"""Every file that a version's documents name by its sha256, and every folder that may hold nothing else."""

import dataclasses
import re
from collections.abc import Iterator

from components import storage
from components.contracts import Inventory
from components.dataset.receipts import FOLDER as RECEIPTS
from components.lineage.ancestors import Ancestors
from components.records.record_table import table_uri
from components.registry.layout import CARD, version_uri

_LIST_NAME = re.compile(r".*-([0-9a-f]{16})\.tsv")


@dataclasses.dataclass(frozen=True)
class ExpectedFile:
    """A file and the sha256 that a document names.

    Attributes:
      sha256: Or the first digits of it; empty if only its presence is known.
      is_receipt: Whether it is a shard's receipt, of which a part depends on who wrote it.
    """

    uri: str
    sha256: str = ""
    is_receipt: bool = False


@dataclasses.dataclass(frozen=True)
class ClosedFolder:
    """A folder and all files that it may hold, by their paths in it."""

    uri: str
    paths: frozenset[str]


def expected_files(found: Ancestors) -> Iterator[ExpectedFile]:
    """Yields the files, those of the model first."""
    card = found.card
    folder = version_uri(found.models_uri, card.version)
    for path, sha256 in sorted((card.files | card.attachments).items()):
        yield ExpectedFile(storage.join(folder, path), sha256)
    if not found.data_root:
        return

    def under(path: str, sha256: str = "", is_receipt: bool = False) -> ExpectedFile:
        return ExpectedFile(storage.join(found.data_root, path), sha256, is_receipt)

    if receipt := found.receipt:
        for path, sha256 in sorted(receipt.files.items()):
            yield under(f"{receipt.model_path}/{path}", sha256)
        if receipt.weights_path:
            yield under(receipt.weights_path, receipt.weights_path.rpartition("/")[2].partition(".")[0])
    if evaluation := found.evaluation:
        yield under(evaluation.predictions_path, evaluation.predictions_sha256)
        for path, sha256 in (
            (evaluation.sample_path, evaluation.sample_sha256),
            (evaluation.fields_path, evaluation.fields_sha256),
        ):
            if path:
                yield under(path, sha256)
        if evaluation.doubts and evaluation.doubts.path:
            yield under(evaluation.doubts.path, evaluation.doubts.sha256)
    yield from (under(*each) for each in _of_dataset(found))
    for digest, sha256 in sorted((found.origin.receipts if found.origin else {}).items()):
        yield under(f"{RECEIPTS}/{digest}.json", sha256, is_receipt=True)
    yield from (under(*each) for each in _of_listing(found.inventory))


def _of_dataset(found: Ancestors) -> Iterator[tuple[str, str]]:
    manifest, folder = found.manifest, found.dataset_folder
    now = found.latest or found.origin
    if now is not None:
        yield f"{folder}/manifest.json", now.manifest_file_sha256
        for name, sha256 in (("report.html", now.report_sha256), ("duplicates.tsv", now.duplicates_sha256)):
            if sha256:
                yield f"{folder}/{name}", sha256
    if manifest is None:
        return
    if manifest.fields_sha256:
        yield f"{folder}/fields.jsonl", manifest.fields_sha256
    for summary in manifest.splits.values():
        for shard in summary.shards:
            yield shard.path, shard.sha256
        yield table_uri("", summary.records_sha256).removeprefix("/"), summary.records_sha256


def _of_listing(inventory: Inventory | None) -> Iterator[tuple[str, str]]:
    if inventory is None:
        return
    for partition in inventory.partitions:
        yield partition.path, partition.sha256
    listed = inventory.near.list_path if inventory.near else ""
    if listed:
        digits = _LIST_NAME.fullmatch(listed)
        yield listed, digits[1] if digits else ""


def closed_folders(found: Ancestors) -> Iterator[ClosedFolder]:
    """Yields the folders that hold what their documents name, and nothing else."""
    card = found.card
    names = frozenset((CARD, *card.files, *card.attachments))
    if card.files:
        yield ClosedFolder(version_uri(found.models_uri, card.version), names)
    if not found.data_root:
        return
    named: dict[str, set[str]] = {}

    def add(path: str) -> None:
        folder, _, name = path.rpartition("/")
        named.setdefault(folder, set()).add(name)

    if found.receipt and found.receipt.files:
        model = storage.join(found.data_root, found.receipt.model_path)
        yield ClosedFolder(model, frozenset(found.receipt.files))
    if evaluation := found.evaluation:
        doubts = evaluation.doubts.path if evaluation.doubts else ""
        for path in (evaluation.predictions_path, evaluation.sample_path, evaluation.fields_path, doubts):
            if path:
                add(path)
    for partition in found.inventory.partitions if found.inventory else ():
        add(partition.path)
    if found.latest:
        add(f"{found.dataset_folder}/origin.json")
        for path, _ in _of_dataset(found):
            if path.startswith(f"{found.dataset_folder}/"):
                add(path)
    for folder, paths in sorted(named.items()):
        yield ClosedFolder(storage.join(found.data_root, folder), frozenset(paths))
