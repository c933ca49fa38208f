"""Reads the documents that a pushed model comes from: each by its sha256 where another document names it so."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

from components import storage
from components.contracts import (
    DatasetOrigin,
    Document,
    Evaluation,
    Inventory,
    Manifest,
    ModelCard,
    PushedVersion,
    TrainingReceipt,
    VersionState,
)
from components.dataset.kept_documents import MOST_BYTES, kept_path, pushed_uri
from components.errors import DataError
from components.lineage.run_file import read_run
from components.registry.layout import card_uri, state_uri

AnyDocument = TypeVar("AnyDocument", bound=Document)
_UNREADABLE = (OSError, DataError)
_UNKNOWN = "unknown: it comes from an earlier version, which kept no hash of it"


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is wrong with one file: `what` is "changed", "missing" or "unexpected"."""

    uri: str
    what: str
    why: str


@dataclasses.dataclass
class Ancestors:
    """What was found of a version's ancestors; what is None is absent, damaged, or not looked for.

    Attributes:
      card_sha256: Of the card as it lies there.
      state, witness: The two that say with which card the version was published.
      receipt, evaluation, origin, manifest, inventory: As they were when the model was pushed.
      latest: The origin of the dataset's files as they are now, which a later run may have written again.
      unknown: What no document names, by the ancestor's name.
      run_path, run: The record of the run; empty if there is none.
      problems: Of the documents that were read.
    """

    models_uri: str
    data_root: str
    card: ModelCard
    card_sha256: str
    state: VersionState | None = None
    witness: PushedVersion | None = None
    receipt: TrainingReceipt | None = None
    evaluation: Evaluation | None = None
    origin: DatasetOrigin | None = None
    latest: DatasetOrigin | None = None
    manifest: Manifest | None = None
    inventory: Inventory | None = None
    run_path: str = ""
    run: dict[str, Any] = dataclasses.field(default_factory=dict)
    unknown: dict[str, str] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)

    @property
    def dataset_folder(self) -> str:
        """The dataset's folder under data_root."""
        return f"datasets/{self.card.manifest_sha256[:16]}"


def read_ancestors(models_uri: str, version: str, data_root: str) -> Ancestors:
    """Reads what a version comes from.

    Args:
      data_root: Where the pipeline kept its data; empty to read what the models' own place has.

    Raises:
      DataError: if the version's card cannot be read, from which all else follows.
      FileNotFoundError: if it is gone.
    """
    uri = card_uri(models_uri, version)
    content = storage.read_bytes(uri)
    card = ModelCard.from_json(content, uri)
    if card.version != version:
        raise DataError(f"{uri!r} is the card of version {card.version}; restore it")
    found = Ancestors(models_uri, data_root, card, hashlib.sha256(content).hexdigest())
    of = card.lineage
    has_witnesses = of is not None and bool(of.content_sha256)  # a push of an earlier version left none
    if has_witnesses or storage.exists(state_uri(models_uri, version)):
        found.state = _read(found, VersionState, state_uri(models_uri, version))
    if not data_root:
        return found
    if has_witnesses or storage.exists(pushed_uri(data_root, version)):
        found.witness = _read(found, PushedVersion, pushed_uri(data_root, version))
    kept = kept_path(of.evaluation_sha256) if of and of.evaluation_sha256 else ""
    # Earlier versions named the evaluation, and left it to the run's artifacts.
    if of and kept and (of.origin_sha256 or storage.exists(storage.join(data_root, kept))):
        found.evaluation = _named(found, Evaluation, of.evaluation_sha256, [kept])
    else:
        found.unknown["evaluation"] = _UNKNOWN
    receipt_path = f"training/{card.training_id}/receipt.json"
    found.receipt = _named(found, TrainingReceipt, of.receipt_sha256 if of else "", [receipt_path])
    _read_dataset(found, of.origin_sha256 if of else "")
    found.run_path, found.run = read_run(data_root, card)
    return found


def _read_dataset(found: Ancestors, origin_sha256: str) -> None:
    folder = found.dataset_folder
    origin_path, manifest_path = f"{folder}/origin.json", f"{folder}/manifest.json"
    if storage.exists(storage.join(found.data_root, origin_path)):
        found.latest = _latest_origin(found, storage.join(found.data_root, origin_path), origin_sha256)
    elif origin_sha256:
        found.problems.append(Problem(storage.join(found.data_root, origin_path), "missing", "merge writes it"))
    if origin_sha256:
        found.origin = _named(found, DatasetOrigin, origin_sha256, [kept_path(origin_sha256), origin_path])
    else:
        found.unknown["origin"] = _UNKNOWN
    if found.origin is None:
        found.manifest = _read(found, Manifest, storage.join(found.data_root, manifest_path))
        return
    sha256 = found.origin.manifest_file_sha256
    found.manifest = _named(found, Manifest, sha256, [kept_path(sha256), manifest_path])
    sha256 = found.origin.inventory_sha256
    found.inventory = _named(found, Inventory, sha256, [kept_path(sha256)])


def _latest_origin(found: Ancestors, uri: str, origin_sha256: str) -> DatasetOrigin | None:
    """Returns the origin of the dataset's files as they are: the model's own, or another one that a run has kept."""
    try:
        sha256 = hashlib.sha256(_bounded(uri)).hexdigest()
    except _UNREADABLE as error:
        found.problems.append(_unreadable(uri, error))
        return None
    if sha256 != origin_sha256 and not storage.exists(storage.join(found.data_root, kept_path(sha256))):
        found.problems.append(Problem(uri, "changed", "no run has kept such an origin"))
        return None
    return _read(found, DatasetOrigin, uri)


def _named(found: Ancestors, kind: type[AnyDocument], sha256: str, paths: Sequence[str]) -> AnyDocument | None:
    """Returns a document that another names by its sha256, from the first of several copies that is that document.

    Only the first copy is one that must be there; the others are looked at for themselves elsewhere.
    """
    document = None
    for number, path in enumerate(paths):
        uri = storage.join(found.data_root, path)
        try:
            content = _bounded(uri)
        except FileNotFoundError:
            if number == 0:
                found.problems.append(Problem(uri, "missing", f"named with sha256 {sha256[:16]}…" if sha256 else ""))
            continue
        except _UNREADABLE as error:
            if number == 0:
                found.problems.append(_unreadable(uri, error))
            continue
        if sha256 and (came := hashlib.sha256(content).hexdigest()) != sha256:
            if number == 0:
                why = f"it has sha256 {came[:16]}…, expected {sha256[:16]}…"
                found.problems.append(Problem(uri, "changed", why))
            continue
        if (document := _parsed(found, kind, content, uri)) is not None:
            break
    return document


def _read(found: Ancestors, kind: type[AnyDocument], uri: str) -> AnyDocument | None:
    """Returns a document that no other names by its sha256; its own checksum still tells a damaged one."""
    try:
        content = _bounded(uri)
    except FileNotFoundError:
        found.problems.append(Problem(uri, "missing", ""))
        return None
    except _UNREADABLE as error:
        found.problems.append(_unreadable(uri, error))
        return None
    return _parsed(found, kind, content, uri)


def _unreadable(uri: str, error: Exception) -> Problem:
    """Returns what is wrong with a name under which there is no file to read, such as a folder or a pipe."""
    why = error.strerror if isinstance(error, OSError) else str(error).partition("; ")[0]
    return Problem(uri, "changed", f"it cannot be read: {why}")


def _bounded(uri: str) -> bytes:
    size = storage.size(uri)
    if size is not None and size > MOST_BYTES:
        return b""  # no document: whoever parses it says so
    return storage.read_bytes(uri)


def _parsed(found: Ancestors, kind: type[AnyDocument], content: bytes, uri: str) -> AnyDocument | None:
    try:
        return kind.from_json(content, uri)
    except DataError as error:
        found.problems.append(Problem(uri, "changed", str(error).partition("; ")[0]))
        return None
