"""What a dataset was made from, and what a push has published: links by hash that a lineage is followed by."""

from typing import ClassVar

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import PathPart, Sha256, Sha256OrEmpty


class DatasetOrigin(Document, frozen=True, kw_only=True):
    """merge → push: which listing and which receipts a dataset comes from, and the files that merge wrote beside it.

    The manifest itself holds nothing that depends on where or when a dataset was made, so this is a document of its
    own: kept by its sha256, and the latest of a dataset as `datasets/<id>/origin.json`.

    Attributes:
      manifest_sha256: Of the manifest as a dataset's name has it.
      manifest_file_sha256: Of all bytes of `manifest.json`, with what that name does not depend on.
      inventory_sha256: The listing of the source, kept as `documents/<sha256>.json`.
      receipts: The sha256 of each shard's receipt by its source digest; see components/dataset/receipts.py.
      report_sha256, duplicates_sha256: Of `report.html` and `duplicates.tsv`; empty if there is no such file.
      commit: Of the code that merged; empty if unknown.
    """

    way_out: ClassVar[str] = "restore it, or run the pipeline again on the same source"

    format_version: int = FORMAT_VERSION
    manifest_sha256: Sha256
    manifest_file_sha256: Sha256
    inventory_sha256: Sha256
    receipts: dict[Sha256, Sha256] = msgspec.field(default_factory=dict)
    report_sha256: Sha256OrEmpty = ""
    duplicates_sha256: Sha256OrEmpty = ""
    commit: str = ""


class PushedVersion(Document, frozen=True, kw_only=True):
    """`pushed/<version>.json` under data_root: the card that a push published, told by the other side.

    A card has no parent among the models but its version's state, so this is the second witness: of the three, the one
    that disagrees with the other two was changed.
    """

    way_out: ClassVar[str] = "restore it, or push the model again"

    format_version: int = FORMAT_VERSION
    version: PathPart
    card_sha256: Sha256
    training_id: PathPart
    manifest_sha256: Sha256
