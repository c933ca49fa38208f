"""Are the files of the last equal request still there? Decides what Kubeflow may take from its cache.

Kubeflow looks up a step's result by its parameters and never looks into data_root. So a run's first step, which is
never cached, gives the data steps a token each: the one under which the last equal run made what is there, which leads
to its result in the cache; or, if anything is gone, a new one, which leads to none. No content and no name follows from
a token.

What an equal run made stands in `requests/<request>/` under data_root: `listing.json` by ingest, `dataset.json` by
merge. Two answers under one token, e.g. by two images, spoil it: which of them the cache has is unknown.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from components import storage
from components.contracts import Document, Inventory, KnownDataset, KnownListing, Manifest
from components.dataset import field_file
from components.dataset.kept_documents import keep_document, read_kept
from components.dataset.receipts import FOLDER as RECEIPTS
from components.errors import DataError
from components.records.record_table import row_bytes

_REQUESTS, _LISTING, _DATASET = "requests", "listing.json", "dataset.json"
_DIGITS = 16

AnyDocument = TypeVar("AnyDocument", bound=Document)


def request_of(values: Mapping[str, Any]) -> str:
    """Returns what names a request: a hash of all parameters that the dataset depends on, as JSON values."""
    return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()[:_DIGITS]


def cache_tokens(data_root: str, request: str, say: Callable[[str], None]) -> tuple[str, str]:
    """Returns the token of the listing and that of the dataset; new ones for what must be made anew.

    If a file is gone, the source is listed anew too: it may have changed, and then no longer has what was planned.

    Args:
      say: Called with a line about what is gone.

    Raises:
      UnreachableError: if a bucket does not answer.
    """
    fresh = f"{request}-{secrets.token_hex(_DIGITS // 2)}"
    listing = _read(data_root, request, _LISTING, KnownListing)
    if listing is None or not listing.token:
        return fresh, fresh
    try:
        inventory = read_kept(data_root, listing.inventory_sha256, Inventory)
        gone = list(_gone_of_listing(data_root, inventory))
        dataset = _read(data_root, request, _DATASET, KnownDataset)
        if dataset and dataset.inventory_sha256 != listing.inventory_sha256:
            dataset = None  # merge has made none of this listing
        if dataset:
            gone += _gone_of_dataset(data_root, inventory, dataset.manifest_sha256)
    except (OSError, DataError) as error:
        say(f"the data steps run anew: what an earlier run has left cannot be read: {error}")
        return fresh, fresh
    if gone:
        say(f"the data steps run anew: {len(gone):,} files of an earlier run are gone or cut short, e.g. {gone[0]!r}")
        return fresh, fresh
    return listing.token, (dataset.token if dataset else "") or fresh


def remember_listing(data_root: str, token: str, inventory: Inventory) -> None:
    """Keeps an inventory, and under which token ingest made it; without a token, only the inventory."""
    sha256 = keep_document(data_root, inventory)
    if not token:
        return
    request = _request_in(token)
    listed = KnownListing(token=token, inventory_sha256=sha256)
    before = _read(data_root, request, _LISTING, KnownListing)
    if before and before.token == token and before != listed:
        listed = msgspec.structs.replace(listed, token="")
    _write(data_root, request, _LISTING, listed)


def remember_dataset(data_root: str, token: str, inventory_sha256: str, manifest_sha256: str) -> None:
    """Says under which token shard and merge made a dataset, from which inventory; does nothing without a token."""
    if not token:
        return
    request = _request_in(token)
    made = KnownDataset(token=token, inventory_sha256=inventory_sha256, manifest_sha256=manifest_sha256)
    before = _read(data_root, request, _DATASET, KnownDataset)
    if before and before.token == token and before != made:
        made = msgspec.structs.replace(made, token="")
    _write(data_root, request, _DATASET, made)


def _request_in(token: str) -> str:
    return token.partition("-")[0]


def _uri(data_root: str, request: str, name: str) -> str:
    return storage.join(data_root, _REQUESTS, request, name)


def _read(data_root: str, request: str, name: str, kind: type[AnyDocument]) -> AnyDocument | None:
    """Returns what is remembered; None if that is nothing, or cannot be read."""
    uri = _uri(data_root, request, name)
    try:
        return kind.from_json(storage.read_bytes(uri), uri)
    except (OSError, DataError):
        return None


def _write(data_root: str, request: str, name: str, document: Document) -> None:
    storage.write_bytes(_uri(data_root, request, name), document.to_json())


def _gone_of_listing(data_root: str, inventory: Inventory) -> Iterator[str]:
    paths = [partition.path for partition in inventory.partitions]
    for folder in sorted({path.rpartition("/")[0] for path in paths}):
        there = _sizes(data_root, folder)
        yield from (path for path in paths if path.rpartition("/")[0] == folder and path not in there)


def _gone_of_dataset(data_root: str, inventory: Inventory, manifest_sha256: str) -> Iterator[str]:
    """Yields the files that are gone, or of another size; three listings tell, however many shards there are."""
    folder = f"datasets/{manifest_sha256[:_DIGITS]}"
    uri = storage.join(data_root, folder, "manifest.json")
    manifest = Manifest.from_json(storage.read_bytes(uri), uri)
    if manifest.sha256 != manifest_sha256:
        raise DataError(f"{uri!r} is another dataset's; restore it")
    expected: dict[str, int | None] = {f"{folder}/report.html": None}
    if manifest.fields_sha256:
        expected[f"{folder}/{field_file.NAME}"] = None
    for summary in manifest.splits.values():
        expected |= {shard.path: shard.num_bytes for shard in summary.shards}
        rows = summary.num_tiles * row_bytes(len(manifest.classes))
        expected[f"shards/{summary.records_sha256}.records"] = rows
    for partition in inventory.partitions:
        expected |= {f"{RECEIPTS}/{shard.source_digest}.json": None for shard in partition.shards}
    there: dict[str, int] = {}
    for each in sorted({path.rpartition("/")[0] for path in expected}):
        there |= _sizes(data_root, each)
    for path, size in expected.items():
        if path not in there or size not in (None, there[path]):
            yield path


def _sizes(data_root: str, folder: str) -> dict[str, int]:
    """Returns the size of each file in a folder of data_root, by its path in data_root; empty without a folder."""
    try:
        return {f"{folder}/{each.path}": each.num_bytes for each in storage.list_files(storage.join(data_root, folder))}
    except storage.NoSuchFolder:
        return {}
