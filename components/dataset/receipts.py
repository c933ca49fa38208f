"""Reads and writes the receipts of shards under data_root: one small file each, named by the shard's source digest."""

import hashlib
import re

from msgspec.structs import replace

from components import storage
from components.contracts import Inventory, PlannedShard, ShardReceipt
from components.errors import DataError

FOLDER = "receipts"
# Where the shard stood in the plan of whoever wrote the receipt, and the checksum of all before it.
_OF_THE_WRITER = re.compile(rb',?\n "(?:checksum|index|split)": [^\n]*')


def receipt_uri(data_root: str, source_digest: str) -> str:
    """Returns the location of a receipt, written or not."""
    return storage.join(data_root, FOLDER, f"{source_digest}.json")


def write_shard_receipt(data_root: str, receipt: ShardReceipt) -> None:
    """Writes a receipt; its shard must already exist."""
    storage.write_bytes(receipt_uri(data_root, receipt.source_digest), receipt.to_json())


def read_shard_receipt(data_root: str, planned: PlannedShard) -> ShardReceipt:
    """Returns the receipt of a planned shard.

    Raises:
      FileNotFoundError: if there is none.
      DataError: if it cannot be read.
    """
    return _read(data_root, planned)[0]


def _read(data_root: str, planned: PlannedShard) -> tuple[ShardReceipt, bytes]:
    uri = receipt_uri(data_root, planned.source_digest)
    content = storage.read_bytes(uri)
    receipt = ShardReceipt.from_json(content, uri)
    # The digest covers what the shard holds, not its place: the plan says where it belongs.
    return replace(receipt, split=planned.split, index=planned.index), content


def receipt_sha256(content: bytes) -> str:
    """Returns the sha256 of a receipt's bytes without where the shard stood in the plan, which another plan may change.

    A receipt that is lost is written again by the next plan that has the same tiles in a shard.
    """
    return hashlib.sha256(_OF_THE_WRITER.sub(b"", content)).hexdigest()


def is_done(data_root: str, planned: PlannedShard) -> bool:
    """Returns whether an earlier run wrote the shard: its receipt is readable and its file has the size given there."""
    try:
        receipt = read_shard_receipt(data_root, planned)
    except (FileNotFoundError, DataError):
        return False
    return not receipt.path or storage.size(storage.join(data_root, receipt.path)) == receipt.num_bytes


def checked_receipt(data_root: str, planned: PlannedShard, inventory: Inventory) -> tuple[ShardReceipt, str]:
    """Returns the receipt of a planned shard, after checking that it fits the plan and that the shard exists.

    Returns:
      The receipt, and its receipt_sha256.

    Raises:
      DataError: if a check fails; names the shard.
    """
    name = f"{planned.split} shard {planned.index}"
    try:
        receipt, content = _read(data_root, planned)
    except FileNotFoundError as error:
        raise DataError(
            f"{name}: its receipt, {FOLDER}/{planned.source_digest}.json under {data_root!r}, is missing; "
            "run the shard tasks again"
        ) from error
    num_tiles = receipt.num_tiles + len(receipt.rejected)
    if num_tiles != planned.num_tiles:
        raise DataError(
            f"{name}: planned with {planned.num_tiles} tiles, but its receipt has {num_tiles}; "
            "run the shard tasks again"
        )
    shape = (len(receipt.class_tiles), len(receipt.band_histogram))
    if shape != (len(inventory.classes), len(inventory.bands)):
        raise DataError(
            f"{name}: expected {len(inventory.classes)} classes and {len(inventory.bands)} bands, "
            f"but its receipt has {shape[0]} and {shape[1]}; run the shard tasks again"
        )
    if receipt.path:
        size = storage.size(storage.join(data_root, receipt.path))
        if size != receipt.num_bytes:
            came = "there is no such file" if size is None else f"got {size:,}"
            raise DataError(
                f"{name}, {receipt.path!r} under {data_root!r}: expected {receipt.num_bytes:,} bytes, {came}; "
                "run the shard tasks again"
            )
    return receipt, receipt_sha256(content)
