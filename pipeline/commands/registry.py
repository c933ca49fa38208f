"""The commands for a registry of models: `agrivision models ...`."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from components.contracts.registry import Use
from components.printable import printable, printable_json
from pipeline.commands.options import with_plain_places
from pipeline.terminal import say, say_markdown

MODELS_URI = Annotated[str, typer.Argument(help="Where model versions are kept.")]
_WHY = Annotated[str, typer.Option(help="The reason, for the history.")]
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PRODUCTION = "production"

app = typer.Typer(no_args_is_help=True, help="List, compare, promote and remove pushed models.")


@app.command("list")
@with_plain_places
def list_models(models_uri: MODELS_URI, as_json: _JSON = False) -> None:
    """List the versions, the newest first, and the channels that name them."""
    from components.registry.layout import models_uri_of
    from components.registry.summaries import version_rows

    rows = version_rows(models_uri_of(models_uri))
    if as_json:
        _say_json(rows)
        return
    if not rows:
        say(f"no versions in {printable(models_uri)}")
        return
    table: list[tuple[str, ...]] = [("VERSION", "PUSHED", "MACRO F1", "BACKBONE", "LICENCE", "CHANNELS")]
    for row in rows:
        score = "" if row.macro_f1 is None else f"{row.macro_f1:.3f}"
        backbone = f"! {row.problem}" if row.problem else row.backbone
        table.append((row.version, row.pushed_at, score, backbone, row.data_licence, ", ".join(row.channels)))
    _say_table(table)


@app.command()
@with_plain_places
def show(
    models_uri: MODELS_URI,
    version: Annotated[str, typer.Argument(help="A version, or a channel that names one.")] = _PRODUCTION,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
    verify_key: Annotated[str, typer.Option(help="A public key in PEM that must have signed the version.")] = "",
) -> None:
    """Show a version: its card, as Markdown where it is piped, and its history."""
    from components.registry.card.page import card_blocks
    from components.registry.layout import CARD, models_uri_of, read_card, version_uri
    from components.registry.signature import check_signature, key_hint, read_verify_key
    from components.registry.summaries import moves_of, read_channels, version_of

    models_uri = models_uri_of(models_uri)
    key = read_verify_key(verify_key) if verify_key else None
    name = version_of(models_uri, version)
    card = read_card(models_uri, name)
    if key is not None:
        check_signature(version_uri(models_uri, name), card, key)
    if as_json:
        say(printable_json(card.to_json().decode()).rstrip("\n"))
        return
    channels = [channel for channel, state in read_channels(models_uri).items() if state.version == name]
    say(printable(f"version {name}" + (f", in {', '.join(channels)}" if channels else ", in no channel")))
    if key is not None:
        say(f"{CARD} is signed by the key {key_hint(key)[:16]}, and names the digests of all its files")
    say_markdown([*card_blocks(card), "## Moves"])
    for channel, move in moves_of(models_uri, name):
        what = f"{move.before or 'nothing'} -> {move.version or 'nothing'}"
        why = f": {move.why}" if move.why else ""
        say(printable(f"{move.at}  {channel}  {move.action}  {what}  by {move.who or 'unknown'}{why}"))


@app.command()
@with_plain_places
def diff(
    models_uri: MODELS_URI,
    one: Annotated[str, typer.Argument(help="A version, or a channel that names one.")],
    other: Annotated[str, typer.Argument(help="Likewise.")],
    as_json: _JSON = False,
) -> None:
    """Show what differs between two versions."""
    from components.registry.layout import models_uri_of, read_card
    from components.registry.summaries import differences, version_of

    models_uri = models_uri_of(models_uri)
    names = [version_of(models_uri, name) for name in (one, other)]
    found = list(differences(*(read_card(models_uri, name) for name in names)))
    if as_json:
        _say_json({name: [of_one, of_other] for name, of_one, of_other in found})
    elif not found:
        say(f"{names[0]} and {names[1]} do not differ")
    else:
        _say_table([("", *names, "CHANGE"), *(_difference_row(*each) for each in found)])


@app.command("promote")
@with_plain_places
def promote_model(
    models_uri: MODELS_URI,
    version: Annotated[str, typer.Argument(help="A version, or a channel that names one.")],
    channel: Annotated[str, typer.Option(help="The channel to move.")] = _PRODUCTION,
    why: _WHY = "",
) -> None:
    """Point a channel at a version, e.g. what is in staging at production."""
    from components.registry.layout import models_uri_of
    from components.registry.promotion import promote
    from components.registry.summaries import version_of

    models_uri = models_uri_of(models_uri)
    say(printable(promote(models_uri, version_of(models_uri, version), channel, why)))


@app.command("rollback")
@with_plain_places
def roll_back_channel(
    models_uri: MODELS_URI,
    channel: Annotated[str, typer.Option(help="The channel to move.")] = _PRODUCTION,
    why: _WHY = "",
) -> None:
    """Put the previous version back into a channel."""
    from components.registry.promotion import rollback

    say(printable(rollback(models_uri, channel, why)))


@app.command()
@with_plain_places
def mark(
    models_uri: MODELS_URI,
    channel: Annotated[str, typer.Argument(help="The channel.")],
    use: Annotated[Use, typer.Option(help="commercial: takes no model of non-commercial data. any: takes all.")],
    why: _WHY = "",
) -> None:
    """Say what the models of a channel are used for."""
    from components.registry.promotion import mark_use

    say(printable(mark_use(models_uri, channel, use, why)))


@app.command("remove")
@with_plain_places
def remove_model(
    models_uri: MODELS_URI,
    version: Annotated[str, typer.Argument(help="The version.")],
    why: _WHY = "",
    retention_days: Annotated[
        int, typer.Option(help="A version that a channel named within as many days stays.", min=0)
    ] = 90,
) -> None:
    """Remove a version that no channel names, nor named lately."""
    from components.registry.removal import remove_version

    say(printable(remove_version(models_uri, version, why, retention_days)))


def _difference_row(name: str, one: Any, other: Any) -> tuple[str, ...]:
    if isinstance(one, float) and isinstance(other, float):
        return name, f"{one:.4g}", f"{other:.4g}", f"{other - one:+.3g}"
    return name, _shown(one), _shown(other), ""


def _shown(value: Any) -> str:
    return "–" if value in (None, "") else str(value)[:40]


def _say_json(value: Any) -> None:
    say(printable_json(msgspec.json.format(msgspec.json.encode(value), indent=1).decode()))


def _say_table(rows: Sequence[Sequence[str]]) -> None:
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
