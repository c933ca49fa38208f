"""Pushes a model: builds it, verifies it in a fresh process, publishes it, and points production at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from components import environment, storage
from components.contracts import (
    Calibration,
    DatasetOrigin,
    Decision,
    Evaluation,
    Manifest,
    ModelCard,
    PushReceipt,
    TrainingReceipt,
)
from components.errors import DataError, SettingsError
from components.progress import StepLog
from components.push.ancestry import ancestry_of, witness
from components.push.building import builder
from components.push.card import model_card
from components.push.card_facts import with_facts
from components.push.exports.kinds import ExportKind
from components.push.exports.made import ExportSource, make_exports
from components.push.over_http import verify_over_http
from components.push.stac_item import ITEM, stac_item
from components.push.verify import verify_serving_model
from components.registry import (
    CARD,
    PRODUCTION,
    move_production,
    read_production,
    require_production,
    version_uri,
)
from components.registry.attachments import attachment_digests, check_attachments
from components.registry.card.page import PAGE, card_page
from components.registry.licence import require_allowed
from components.registry.pins import revive
from components.registry.signature import SIGNATURE, check_signature, key_hint, read_signing_key, signature_of
from components.saved_model.files import digests
from components.storage import whole_folder
from components.storage.mounts import bucket_note
from components.storage.scratch import scratch_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# What a card says of a model that its version follows from.
_BEHAVIOUR = (
    *("version", "training_id", "label_mode", "classes", "bands", "image_size_px"),
    *("calibration", "thresholds", "config"),
)


def push_model(
    data_root: str,
    models_uri: str,
    manifest: Manifest,
    receipt: TrainingReceipt,
    evaluation: Evaluation,
    log: StepLog,
    decision: Decision | None = None,
    kinds: Sequence[ExportKind] = (),
    origin: DatasetOrigin | None = None,
    run: str = "",
    sign_key: str = "",
) -> PushReceipt:
    """Pushes the model of `receipt`; a second push changes nothing.

    Nothing is visible before verification passes, and a version is not served before it is complete: the pointer moves
    last, and only if production is still the version that the model was evaluated against.

    Args:
      decision: The gate's, for the model's card; None where nobody asked the gate, as in a test.
      sign_key: Path of a private key that signs the version; empty for none.
      kinds: Other formats to publish the model in; one that does not answer as the model does is left out.
      origin: What the dataset was made from, for the model's card; None if that is unknown.
      run: The pipeline run, for the same.

    Raises:
      SettingsError: if there is no such key, or receipt, evaluation, decision and manifest do not belong together, or
        production is marked commercial and the licence of the data is not.
      DataError: if the model is gone, or the serving model's answers differ from the evaluated one's.
      AgrivisionError: if another push won.
    """
    _check(manifest, receipt, evaluation, decision)
    if origin and origin.manifest_sha256 != manifest.sha256:
        raise SettingsError(
            f"the origin is of dataset {origin.manifest_sha256[:16]}, not {manifest.sha256[:16]}; run merge again"
        )
    key = read_signing_key(sign_key) if sign_key else None
    if not storage.is_remote(models_uri) and (note := bucket_note("models_uri", models_uri)):
        log.line(note)
    production, token = read_production(models_uri)
    in_production = production.version if production else None
    exported_uri = storage.join(data_root, receipt.model_path)
    with scratch_folder("push") as folder, builder(exported_uri, receipt, folder) as exported:
        content_sha256 = exported.content()
        card = model_card(receipt, evaluation, content_sha256, decision)
        uri = version_uri(models_uri, card.version)
        ancestry = ancestry_of(data_root, receipt, evaluation, origin, content_sha256, run)
        card = with_facts(card, manifest, receipt, evaluation, ancestry)
        serves_already = in_production == card.version
        if not serves_already:
            require_production(models_uri, evaluation.production_version, production)
            require_allowed(card, PRODUCTION, production)
        is_new = not storage.exists(storage.join(uri, CARD))
        if not is_new:
            log.line(f"version {card.version} is already published; verifying it")
            if kinds:
                log.line("formats are made when a version is first pushed, so it has those of then")
            try:
                published = _published_card(uri, card)
                log.line(verify_serving_model(uri, published, data_root, manifest, evaluation))
                log.line(verify_over_http(uri, published, data_root, manifest, evaluation))
                check_attachments(uri, published)
                if key:
                    log.line(_signed_later(uri, published, key))
            except DataError as error:
                raise DataError(f"{error}; it is already published, so remove {uri!r} and push again") from error
        else:
            serving_dir, signatures = exported.build(card)
            usage = {name: text for name, text in card.usage.items() if name in signatures}
            card = msgspec.structs.replace(card, usage=usage, files=digests(str(serving_dir)))
            card.write(serving_dir / CARD)
            log.line(verify_serving_model(str(serving_dir), card, data_root, manifest, evaluation))
            log.line(verify_over_http(str(serving_dir), card, data_root, manifest, evaluation))
            source = ExportSource(
                uri=exported_uri,
                files=receipt.files,
                card=card,
                data_root=data_root,
                manifest=manifest,
                evaluation=evaluation,
            )
            card = msgspec.structs.replace(card, exports=make_exports(kinds, source, serving_dir, log))
            card = _with_attachments(card, serving_dir)
            card.write(serving_dir / CARD)
            if key:
                (serving_dir / SIGNATURE).write_bytes(signature_of(card, key))
                log.line(f"signed by the key {key_hint(key.public_key())[:16]}")
            revive(models_uri, card.version)
            whole_folder.publish(serving_dir, uri, last=CARD)
    card_sha256 = witness(data_root, models_uri, card, is_new)
    previous = in_production
    if production is not None and serves_already:
        previous = production.previous
    else:
        move_production(models_uri, card.version, production, token, decision.reason if decision else "")
    return PushReceipt(
        model_version=card.version,
        model_uri=uri,
        previous_version=previous,
        card_sha256=card_sha256,
        commit=environment.commit(),
    )


def summary_line(receipt: PushReceipt) -> str:
    """Returns a one-line summary of the push."""
    before = f"before it was {receipt.previous_version}" if receipt.previous_version else "the first"
    return f"production is version {receipt.model_version} at {receipt.model_uri}, {before}"


def _signed_later(uri: str, card: ModelCard, key: "EllipticCurvePrivateKey") -> str:
    """Signs a published version, unless it is signed by this key already; returns a line for the log."""
    name = key_hint(key.public_key())[:16]
    if storage.exists(storage.join(uri, SIGNATURE)):
        check_signature(uri, card, key.public_key())
        return f"it is signed already, by the key {name}"
    storage.write_bytes(storage.join(uri, SIGNATURE), signature_of(card, key))
    return f"signed by the key {name}, after it was published"


def _with_attachments(card: ModelCard, folder: Path) -> ModelCard:
    """Writes what belongs beside the model to its folder; returns the card with the digests of it."""
    exports = attachment_digests(folder, [each.path for each in card.exports if each.path])
    (folder / PAGE).write_text(card_page(card), encoding="utf-8")
    (folder / ITEM).write_bytes(stac_item(msgspec.structs.replace(card, attachments=exports)))
    return msgspec.structs.replace(card, attachments=exports | attachment_digests(folder, (PAGE, ITEM)))


def _check(manifest: Manifest, receipt: TrainingReceipt, evaluation: Evaluation, decision: Decision | None) -> None:
    if decision and (decision.decision != "push" or decision.training_id != receipt.training_id):
        raise SettingsError(
            f"the gate's decision is {decision.decision!r} on training {decision.training_id!r}, expected 'push' on "
            f"{receipt.training_id!r}"
        )
    if evaluation.training_id != receipt.training_id:
        raise SettingsError(f"the evaluation is of training {evaluation.training_id}, not {receipt.training_id}")
    for name, sha256 in (("training", receipt.manifest_sha256), ("evaluation", evaluation.manifest_sha256)):
        if sha256 != manifest.sha256:
            raise SettingsError(f"the {name} was made from manifest {sha256[:16]}, not {manifest.sha256[:16]}")
    num_classes = len(receipt.classes)
    of_class = {"thresholds": evaluation.thresholds}
    if evaluation.dense:
        of_class["thresholds of places"] = evaluation.dense.thresholds
    if evaluation.calibration != Calibration():  # which is that of an earlier version
        of_class |= {"slopes": evaluation.calibration.slopes, "offsets": evaluation.calibration.offsets}
    if evaluation.not_sure:
        of_class["bounds of not sure"] = evaluation.not_sure.low
    for name, values in of_class.items():
        if len(values) != num_classes:
            raise SettingsError(
                f"the evaluation has {len(values)} {name} for {num_classes} classes; run the evaluate step again"
            )


def _published_card(uri: str, expected: ModelCard) -> ModelCard:
    """Returns the card beside a published model.

    Raises:
      DataError: if it says anything else of the model than the card of the model to push.
    """
    card_uri = storage.join(uri, CARD)
    card = ModelCard.from_json(storage.read_bytes(card_uri), card_uri)
    for name in _BEHAVIOUR:
        if getattr(card, name) != getattr(expected, name):
            raise DataError(f"{card_uri!r} has other {name} than the model to push")
    if _bounds(card) != _bounds(expected):
        raise DataError(f"{card_uri!r} has other bounds of not sure than the model to push")
    if _place_thresholds(card) != _place_thresholds(expected):
        raise DataError(f"{card_uri!r} has other thresholds of places than the model to push")
    return card


def _place_thresholds(card: ModelCard) -> tuple[float, ...] | None:
    return card.dense.thresholds if card.dense else None


def _bounds(card: ModelCard) -> tuple[float, ...] | None:
    return card.not_sure.low if card.not_sure else None
