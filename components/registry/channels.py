"""Channels: pointers to a version with their history, moved by compare-and-swap.

A move is one write of one object, so nobody sees half of it, and of two moves at once one wins. The newest moves lie in
the pointer; older ones are written to files of their own first and leave it in the same swap as a new one comes.
"""

import datetime
import getpass
import socket

import msgspec

from components import environment, storage
from components.contracts import ArchivedMoves, Channel, Move
from components.contracts.registry import Action
from components.errors import AgrivisionError, DataError
from components.registry.layout import PRODUCTION, channel_uri, history_uri

_MOST_MOVES = 200  # in a pointer, some 60 kB; half of them are moved to a file when there are as many
_MOST_TEXT = 500  # characters of a reason


def read_channel(models_uri: str, channel: str) -> tuple[Channel | None, str | None]:
    """Returns a channel, or None, and the token that move_channel takes.

    Raises:
      SettingsError: if it cannot be a channel's name.
      DataError: if the pointer cannot be read.
    """
    uri = channel_uri(models_uri, channel)
    content, token = storage.read_pointer(uri)
    if content is None:
        return None, None
    return Channel.from_json(content, uri), token


def new_move(
    action: Action, version: str | None, before: str | None, why: str = "", now: datetime.datetime | None = None
) -> Move:
    """Returns a move with when and by whom it is made."""
    pod, _ = environment.kfp_pod()
    return Move(
        at=timestamp(now),
        action=action,
        version=version,
        before=before,
        who=_utf8(f"{_account()}@{socket.gethostname()}"),
        why=_utf8(why if len(why) <= _MOST_TEXT else f"{why[: _MOST_TEXT - 1]}…"),
        run=pod,
    )


def timestamp(now: datetime.datetime | None = None) -> str:
    """Returns a time in UTC as a move has it, to the second."""
    return (now or datetime.datetime.now(datetime.UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utf8(text: str) -> str:
    """Returns a text that a document can hold: bytes of a command line that are not UTF-8 become escapes."""
    return text.encode(errors="backslashreplace").decode()


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a numbered user of a container
        return "unknown"


def move_channel(models_uri: str, channel: str, before: Channel | None, token: str | None, after: Channel) -> None:
    """Replaces a channel by `after`, whose last move is new, if `token` is still current.

    Raises:
      AgrivisionError: if it is not current: somebody else moved the channel.
    """
    archived = _archived(models_uri, channel, after)
    try:
        storage.compare_and_swap(channel_uri(models_uri, channel), token, archived.to_json())
    except storage.Conflict as error:
        winner, _ = read_channel(models_uri, channel)
        # A twin did the same, so the work is done.
        if winner is not None and (winner.version, winner.use) == (after.version, after.use):
            return
        raise lost_race(models_uri, channel, before, winner) from error


def lost_race(models_uri: str, channel: str, before: Channel | None, winner: Channel | None) -> AgrivisionError:
    """Returns the error of whoever looked at `before` and found `winner`."""
    then, now = (each.version if each else None for each in (before, winner))
    if then == now:
        return AgrivisionError(f"{channel} in {models_uri!r} was changed by somebody else meanwhile; try again")
    if channel == PRODUCTION:
        return AgrivisionError(
            f"another push won: production in {models_uri!r} is now {now or 'empty'}, but this model was evaluated "
            f"against {then or 'none'}; run evaluate, gate and push again"
        )
    return AgrivisionError(
        f"{channel} in {models_uri!r} is now {now or 'empty'}, but it was {then or 'empty'} when this began; try again"
    )


def _archived(models_uri: str, channel: str, after: Channel) -> Channel:
    """Writes the older half of the moves to a file if there are many; returns the channel without them."""
    if len(after.moves) <= _MOST_MOVES:
        return after
    older = after.moves[: _MOST_MOVES // 2]
    document = ArchivedMoves(first=after.num_archived, moves=older)
    # These moves are in the pointer already, so whoever else archives them writes the same.
    storage.write_once(history_uri(models_uri, channel, after.num_archived), document.to_json())
    return msgspec.structs.replace(after, moves=after.moves[len(older) :], num_archived=after.num_archived + len(older))


def all_moves(models_uri: str, channel: str, state: Channel) -> list[Move]:
    """Returns the whole history of a channel, oldest first.

    Raises:
      DataError: if a file of older moves is missing or cannot be read.
    """
    moves: list[Move] = []
    while len(moves) < state.num_archived:
        uri = history_uri(models_uri, channel, len(moves))
        try:
            part = ArchivedMoves.from_json(storage.read_bytes(uri), uri)
        except FileNotFoundError as error:
            raise DataError(f"{uri!r} is gone, which has moves of {channel} from number {len(moves)} on") from error
        if not part.moves or part.first != len(moves):
            raise DataError(f"{uri!r} has moves from number {part.first} on, expected {len(moves)}; restore it")
        moves += part.moves
    return [*moves, *state.moves]
