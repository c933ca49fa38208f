"""What a pushed model comes from, by hash: what its card names, and what tells the card from a changed one."""

import hashlib

import msgspec

from components import storage
from components.contracts import DatasetOrigin, Evaluation, ModelCard, PushedVersion, TrainingReceipt
from components.contracts.names import Sha256OrEmpty
from components.dataset.kept_documents import keep_document, pushed_uri
from components.registry.layout import card_uri


class Ancestry(msgspec.Struct, frozen=True, kw_only=True):
    """The hashes that a card names beside those of evaluation and manifest; see Lineage. Each is empty if unknown."""

    receipt_sha256: Sha256OrEmpty = ""
    origin_sha256: Sha256OrEmpty = ""
    content_sha256: Sha256OrEmpty = ""
    run: str = ""


NO_ANCESTRY = Ancestry()


def ancestry_of(
    data_root: str,
    receipt: TrainingReceipt,
    evaluation: Evaluation,
    origin: DatasetOrigin | None,
    content_sha256: str,
    run: str,
) -> Ancestry:
    """Keeps the documents of a push for good, and returns the hashes of what it comes from."""
    keep_document(data_root, evaluation)  # which a card names by its sha256 anyway
    return Ancestry(
        receipt_sha256=_receipt_sha256(data_root, receipt),
        origin_sha256=keep_document(data_root, origin) if origin else "",
        content_sha256=content_sha256,
        run=run,
    )


def witness(data_root: str, models_uri: str, card: ModelCard, is_new: bool) -> str:
    """Says under data_root which card a version has been published with; returns the sha256 of the card there.

    Args:
      is_new: Whether this push has published it; one that was there before may have been changed since.
    """
    sha256 = hashlib.sha256(storage.read_bytes(card_uri(models_uri, card.version))).hexdigest()
    told = PushedVersion(
        version=card.version,
        card_sha256=sha256,
        training_id=card.training_id,
        manifest_sha256=card.manifest_sha256,
    )
    uri = pushed_uri(data_root, card.version)
    if is_new or not storage.exists(uri):
        storage.write_bytes(uri, told.to_json())
    return sha256


def _receipt_sha256(data_root: str, receipt: TrainingReceipt) -> str:
    """Returns the sha256 of a training's receipt as it lies there; empty if that is not the receipt at hand."""
    uri = storage.join(data_root, "training", receipt.training_id, "receipt.json")
    try:
        content = storage.read_bytes(uri)
    except FileNotFoundError:
        return ""
    same = TrainingReceipt.from_json(content, uri) == receipt
    return hashlib.sha256(content).hexdigest() if same else ""
