"""What a registry holds, as rows to show, and what differs between two versions."""

from collections.abc import Iterator
from typing import Any

import msgspec

from components.contracts import Channel, ModelCard, Move
from components.contracts.registry import Action
from components.errors import DataError, SettingsError
from components.registry.channels import all_moves, read_channel
from components.registry.layout import channel_names, read_card, version_names


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version in a list.

    Attributes:
      channels: That name it.
      pushed_at: When it was first put into a channel by a push; empty if unknown.
      macro_f1: On the test split of its dataset, 0..1; None, as all that follows from the card, if the card cannot be
        read.
      problem: Why the card cannot be read; empty if it can.
    """

    version: str
    channels: tuple[str, ...] = ()
    pushed_at: str = ""
    macro_f1: float | None = None
    interval: tuple[float, float] | None = None
    backbone: str = ""
    manifest_sha256: str = ""
    data_licence: str = ""
    problem: str = ""


def read_channels(models_uri: str) -> dict[str, Channel]:
    """Returns all channels by name, production first.

    Raises:
      DataError: if one cannot be read.
    """
    states = {name: read_channel(models_uri, name)[0] for name in channel_names(models_uri)}
    return {name: state for name, state in states.items() if state is not None}


def version_rows(models_uri: str) -> list[VersionRow]:
    """Returns a row for each version, the newest push first, and those of unknown age last.

    Raises:
      DataError: if a channel cannot be read.
    """
    channels = read_channels(models_uri)
    pushed: dict[str, str] = {}
    for name, state in channels.items():
        for move in all_moves(models_uri, name, state):
            if move.action == Action.PUSH and move.version is not None:
                pushed.setdefault(move.version, move.at)
    rows = [_row(models_uri, version, channels, pushed.get(version, "")) for version in version_names(models_uri)]
    return sorted(rows, key=lambda row: row.pushed_at, reverse=True)


def _row(models_uri: str, version: str, channels: dict[str, Channel], pushed_at: str) -> VersionRow:
    named_by = tuple(name for name, state in channels.items() if state.version == version)
    try:
        card = read_card(models_uri, version)
    except (DataError, SettingsError) as error:
        return VersionRow(version=version, channels=named_by, pushed_at=pushed_at, problem=str(error))
    return VersionRow(
        version=version,
        channels=named_by,
        pushed_at=pushed_at,
        macro_f1=card.scores.macro_f1,
        interval=card.scores.intervals.get("macro_f1"),
        backbone=card.backbone,
        manifest_sha256=card.manifest_sha256,
        data_licence=card.data_licence,
    )


def version_of(models_uri: str, name: str) -> str:
    """Returns the version that a user means, who may have named a channel.

    Raises:
      SettingsError: if there is neither such a version nor such a channel.
    """
    if name in version_names(models_uri):
        return name
    if name in channel_names(models_uri) and (state := read_channel(models_uri, name)[0]) and state.version:
        return state.version
    raise SettingsError(
        f"neither a version nor a channel {name!r} in {models_uri!r}; `agrivision models list` shows what there is"
    )


def moves_of(models_uri: str, version: str) -> list[tuple[str, Move]]:
    """Returns the moves to a version and away from it, with their channels, oldest first."""
    found = [
        (name, move)
        for name, state in read_channels(models_uri).items()
        for move in all_moves(models_uri, name, state)
        if version in (move.version, move.before) and move.action != Action.MARK
    ]
    return sorted(found, key=lambda each: each[1].at)


def differences(one: ModelCard, other: ModelCard) -> Iterator[tuple[str, Any, Any]]:
    """Yields what differs between two cards, as (name, of one, of the other): how they were made, then their scores."""
    for name in ("training_id", "manifest_sha256", "data_licence", "backbone", "label_mode", "image_size_px"):
        yield from _differing(name, getattr(one, name), getattr(other, name))
    for name in ("classes", "bands"):
        yield from _differing(name, ", ".join(getattr(one, name)), ", ".join(getattr(other, name)))
    for key in sorted({*one.config, *other.config}):
        yield from _differing(key, one.config.get(key), other.config.get(key))
    yield from _differing("test tiles", one.num_test_tiles, other.num_test_tiles)
    for field, title in type(one.scores).titles().items():
        yield from _differing(title, getattr(one.scores, field), getattr(other.scores, field))
    if one.dense and other.dense:
        yield from _differing("mean IoU of maps", one.dense.mean_iou, other.dense.mean_iou)
    for name in one.classes:
        if name in one.scores.per_class and name in other.scores.per_class:
            yield from _differing(f"F1 of {name}", one.scores.per_class[name].f1, other.scores.per_class[name].f1)


def _differing(name: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if one != other:
        yield name, one, other
