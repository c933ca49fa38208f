"""The ancestors of a version as a tree: model, training, dataset, listing, source; for people and as JSON."""

from typing import Any, TypeAlias

import msgspec

from components import storage
from components.dataset.kept_documents import kept_path
from components.lineage.ancestors import Ancestors
from components.registry.layout import version_uri

Fact: TypeAlias = str | int | float

# What the record of a run says that is shown, where it is a plain value.
_OF_RUN = ("state", "outcome", "pipeline_version", "commit", "trigger_key", "started", "ended")
_MOST_LINKS = 20


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain.

    Attributes:
      kind: "model", "decision", "evaluation", "training", "weights", "dataset", "listing", "source", "run" or "cost".
      name: What names it, e.g. the training's id.
      place: Where it lies; empty for what lies nowhere.
      sha256: By which the link above names it; empty if none does.
      facts: What is known of it, by name.
      note: Why nothing is known; empty if something is.
      links: What it comes from.
    """

    kind: str
    name: str
    place: str = ""
    sha256: str = ""
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    note: str = ""
    links: tuple["Link", ...] = ()


def link_tree(found: Ancestors) -> Link:
    """Returns the tree, whose root is the version."""
    card, of = found.card, found.card.lineage
    facts: dict[str, Fact] = {
        "macro F1": round(card.scores.macro_f1, 4),
        "backbone": card.backbone,
        "pushed at": of.pushed_at if of else "",
        "commit": of.commit if of else "",
        "pod": of.pod if of else "",
        "data licence": card.data_licence,
    }
    links = (_decision(found), _evaluation(found), _training(found), *_run(found))
    return Link(
        kind="model",
        name=card.version,
        place=version_uri(found.models_uri, card.version),
        sha256=found.card_sha256,
        facts=_known(facts),
        links=tuple(link for link in links if link is not None),
    )


def _known(facts: dict[str, Fact]) -> dict[str, Fact]:
    return {name: value for name, value in facts.items() if value != ""}


def _under(found: Ancestors, path: str) -> str:
    return storage.join(found.data_root, path) if found.data_root and path else ""


def _why_unknown(found: Ancestors, name: str) -> str:
    if not found.data_root:
        return "give --data-root to see it"
    return found.unknown.get(name, "gone or changed; --verify names it")


def _decision(found: Ancestors) -> Link | None:
    decision = found.card.decision
    if decision is None:
        return None
    against = decision.production_version or ""
    return Link(
        kind="decision",
        name=decision.decision,
        facts=_known({"reason": decision.reason, "against production": against, "question": decision.question or ""}),
    )


def _evaluation(found: Ancestors) -> Link:
    of, evaluation = found.card.lineage, found.evaluation
    sha256 = of.evaluation_sha256 if of else ""
    facts: dict[str, Fact] = {"test tiles": found.card.num_test_tiles, "test set": of.test_set[:16] if of else ""}
    if evaluation:
        facts["predictions"] = evaluation.predictions_path
    return Link(
        kind="evaluation",
        name=sha256[:16] or "unknown",
        place=_under(found, kept_path(sha256)) if evaluation and sha256 else "",
        sha256=sha256,
        facts=_known(facts),
        note="" if evaluation else _why_unknown(found, "evaluation"),
    )


def _training(found: Ancestors) -> Link:
    card, of, receipt = found.card, found.card.lineage, found.receipt
    facts: dict[str, Fact] = {}
    if card.training:
        facts |= {"seconds": round(card.training.seconds, 1), "epochs": card.training.num_epochs}
        facts |= {"workers": card.training.num_workers, "ended by": card.training.ended_by}
    facts |= {"commit": of.training_commit if of else "", "image": of.image if of else ""}
    facts |= {f"config.{name}": value for name, value in sorted(card.config.items()) if value not in (None, "")}
    links = [_dataset(found)]
    if receipt and receipt.weights_path:
        weights = receipt.weights_path
        sha256 = weights.rpartition("/")[2].partition(".")[0]
        links.insert(0, Link(kind="weights", name=sha256[:16], place=_under(found, weights), sha256=sha256))
    return Link(
        kind="training",
        name=card.training_id,
        place=_under(found, f"training/{card.training_id}/receipt.json") if receipt else "",
        sha256=of.receipt_sha256 if of else "",
        facts=_known(facts),
        note="" if receipt else _why_unknown(found, "training"),
        links=tuple(links),
    )


def _dataset(found: Ancestors) -> Link:
    card, manifest = found.card, found.manifest
    facts: dict[str, Fact] = {}
    if card.data:
        facts |= {f"{split} tiles": count for split, count in card.data.num_tiles.items()}
    if manifest:
        facts |= {"shards": manifest.num_shards, "rejected": manifest.num_rejected}
    if found.origin:
        facts |= {"receipts": len(found.origin.receipts), "commit": found.origin.commit}
    return Link(
        kind="dataset",
        name=card.manifest_sha256[:16],
        place=_under(found, f"{found.dataset_folder}/manifest.json") if manifest else "",
        sha256=card.manifest_sha256,
        facts=_known(facts),
        note="" if manifest else _why_unknown(found, "dataset"),
        links=(_listing(found),),
    )


def _listing(found: Ancestors) -> Link:
    inventory, origin = found.inventory, found.origin
    if inventory is None or origin is None:
        return Link(kind="listing", name="unknown", note=_why_unknown(found, "origin"))
    source = Link(
        kind="source",
        name=inventory.fingerprint[:16],
        place=inventory.source_uri,
        sha256=inventory.fingerprint,
        facts=_known({"layout": inventory.layout, "licence": inventory.data_licence}),
    )
    return Link(
        kind="listing",
        name=origin.inventory_sha256[:16],
        place=_under(found, kept_path(origin.inventory_sha256)),
        sha256=origin.inventory_sha256,
        facts={
            "tiles": inventory.num_tiles,
            "fields": inventory.num_fields,
            "split": inventory.split_origin,
            "seed": inventory.seed,
            "partitions": len(inventory.partitions),
        },
        links=(source,),
    )


def _run(found: Ancestors) -> tuple[Link, ...]:
    run, of = found.run, found.card.lineage
    name = str(run.get("run_id", "")) or (of.run if of else "")
    if not name:
        return ()
    facts = _known({key: run[key] for key in _OF_RUN if _is_fact(run.get(key))})
    for key in ("links", "steps"):
        facts |= _nested(key, run.get(key))
    cost = run.get("cost")
    links = (Link(kind="cost", name="of the run", facts=_plain(cost)),) if isinstance(cost, dict) else ()
    note = "" if run else ("its record is not there" if found.data_root else "give --data-root to see its record")
    return (Link(kind="run", name=name, place=_under(found, found.run_path), facts=facts, note=note, links=links),)


def _nested(key: str, value: Any) -> dict[str, Fact]:
    """Returns links by name, and the image of each step."""
    found: dict[str, Fact] = {}
    for name, each in list(value.items())[:_MOST_LINKS] if isinstance(value, dict) else ():
        if isinstance(each, str):
            found[f"{key}.{name}"] = each
        elif isinstance(each, dict) and isinstance(each.get("image"), str) and each["image"]:
            found[f"image of {name}"] = each["image"]
    return found


def _plain(values: dict[str, Any]) -> dict[str, Fact]:
    return {str(name): value for name, value in values.items() if _is_fact(value)}


def _is_fact(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
