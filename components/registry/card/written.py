"""Where a version comes from: its data, its training, its exports, and the documents that it follows from."""

from collections.abc import Iterator

from components.agrivision import SPLITS
from components.contracts import Export, ModelCard, TrainingFacts
from components.markdown import bullets, code, markdown_table, plain
from components.registry.card.wording import NOTHING, duration, listed
from components.words import as_energy, as_money, as_size


def data_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the version, size and licence of the data."""
    yield "## Data"
    facts = [
        ("Version", code(card.manifest_sha256)),
        ("Licence of the data", code(card.data_licence) if card.data_licence else "not stated"),
    ]
    data = card.data
    if data is not None:
        facts.append(("Layout", code(data.layout)))
        facts.append(("Split", plain(data.split_origin)))
        if data.tile_sizes:
            facts.append(
                (
                    "Tiles, in pixels",
                    listed([size for size, _ in sorted(data.tile_sizes.items(), key=lambda of: (-of[1], of[0]))]),
                )
            )
    yield bullets(facts)
    if data is None:
        return
    splits = [split for split in SPLITS if split in data.num_tiles]
    rows = [
        ("tiles", *(f"{data.num_tiles[split]:,}" for split in splits)),
        ("fields", *(f"{data.num_fields.get(split, 0):,}" for split in splits)),
    ]
    for place, name in enumerate(card.classes):
        counts = (data.class_tiles.get(split, ()) for split in splits)
        rows.append((code(name), *(f"{count[place]:,}" if place < len(count) else NOTHING for count in counts)))
    yield markdown_table(("", *splits), rows)


def training_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the settings, time and cost of the training."""
    yield "## Training"
    facts = [
        ("Input", f"{card.image_size_px} x {card.image_size_px} px, {', '.join(map(code, card.bands))}"),
        ("Labels", "one class a tile" if card.label_mode == "single_label" else "any number of classes a tile"),
    ]
    of = card.training
    if of is not None:
        facts += [
            ("Network", f"{code(card.backbone)}, {of.num_parameters:,} parameters"),
            ("Epochs", f"{of.num_epochs:,}, ended by {plain(of.ended_by)}; the best was number {of.best_epoch:,}"),
            ("Workers", f"{of.num_workers:,} ({code(of.strategy)}), {of.num_restarts:,} restarts"),
            ("Time", f"{duration(of.seconds)}, at {of.tiles_per_second:,.0f} tiles a second while training"),
            ("Cost", _cost(of)),
        ]
    yield bullets(facts)
    if card.config:
        yield markdown_table(
            ("setting", "value"), [(code(key), _value(value)) for key, value in sorted(card.config.items())]
        )


def _cost(of: TrainingFacts) -> str:
    if of.cost is None:
        worker_hours = of.seconds * of.num_workers / 3_600
        return f"{worker_hours:.2f} hours of a worker; what one costs an hour is not known here"
    cost = of.cost
    profile = next((step.profile for step in cost.steps.values()), "")
    hours = sum(step.pod_seconds for step in cost.steps.values()) / 3_600
    verified = "" if cost.is_verified else ", which nobody has verified"
    return (
        f"{as_money(cost.cost, cost.currency)} for {hours:.2f} hours of {code(profile)}, at prices of "
        f"{cost.prices_of}{verified} ({plain(cost.prices_source)}); {as_energy(cost.kwh)}"
    )


def _value(value: object) -> str:
    return NOTHING if value is None or value == "" else plain(str(value))


def export_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the other formats that the model has, and those that were refused."""
    if not card.exports:
        return
    yield "## Other formats"
    yield bullets((each.kind, _export(each)) for each in card.exports)


def _export(each: Export) -> str:
    if each.problem:
        return f"refused: {plain(each.problem)}."
    return (
        f"{code(each.path)}, {as_size(each.num_bytes)}; at most {each.difference or 0.0:.1g} from the evaluated "
        f"answers on {each.num_tiles:,} test tiles, {each.tolerance:.0e} is allowed."
    )


def lineage_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the documents that it follows from, and why it was pushed."""
    yield "## Where it comes from"
    facts = [("Training", code(card.training_id)), ("Dataset", code(card.manifest_sha256))]
    of = card.lineage
    if of is not None:
        facts += [("Evaluation", code(of.evaluation_sha256)), ("Test tiles", code(of.test_set))]
    if card.decision is not None:
        reason = plain(card.decision.reason.partition(": ")[2] or card.decision.reason)
        facts.append(("Decision", f"{code(card.decision.decision)}, against {_production(card)}. {reason}"))
    if of is not None:
        run = f" by the pod {code(of.pod)}" if of.pod else ""
        facts.append(("Pushed", f"{code(of.pushed_at)}{run}"))
        made = {
            "Listing and receipts": of.origin_sha256,
            "Commit of the training": of.training_commit,
            "Image of the training": of.image,
            "Commit of the push": of.commit,
            "Run": of.run,
        }
        facts += [(name, code(value)) for name, value in made.items() if value]
    yield bullets(facts)


def _production(card: ModelCard) -> str:
    before = card.decision.production_version if card.decision else None
    return f"version {code(before)} in production" if before else "nothing in production"
