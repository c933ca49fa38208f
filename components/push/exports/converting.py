"""Converts a model in a process of its own that holds no secrets, within a limit of time; one process for each format.

`python -m components.push.exports.converting FOLDER KIND` is told a card and converts FOLDER/model. A converter that
breaks down, wants all memory or never ends costs its own format, and nothing else.
"""

import os
import sys
import threading
from pathlib import Path
from typing import IO

import msgspec

from components.contracts import ModelCard
from components.errors import DataError
from components.push.exports.kinds import KINDS, ExportKind
from components.saved_model.answering import MODEL, error_line
from components.saved_model.confined import confined_process, end_with_asker, give_up_files
from components.saved_model.messages import LARGEST_REPLY_BYTES, LARGEST_REQUEST_BYTES, receive, send

_LIMIT_SECONDS = 900.0  # the largest backbone takes some minutes on two busy cores


class Conversion(msgspec.Struct, frozen=True):
    """The card of the model, as JSON."""

    card: bytes


class Converted(msgspec.Struct, frozen=True):
    """What came of it: the bytes that its weights take at least, or why there is no file."""

    weight_bytes: int = 0
    error: str = ""


def converted(folder: Path, card: ModelCard, kind: ExportKind) -> tuple[Path, int]:
    """Returns a new local file with a model in another format, and the bytes that its weights take at least.

    Args:
      folder: Has the exported model in `model`.

    Raises:
      DataError: if it cannot be converted.
    """
    with confined_process(__name__, [os.fspath(folder), kind.name], folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(_LIMIT_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        try:
            send(process.stdin, Conversion(card.to_json()))
            told = receive(process.stdout, Converted, LARGEST_REPLY_BYTES)
        except (OSError, ValueError) as error:
            raise DataError(f"its converter broke down: {error}") from error
        finally:
            timer.cancel()
    if told is None:
        raise DataError(f"its converter has ended, for want of memory or after {_LIMIT_SECONDS:.0f} s")
    if told.error:
        raise DataError(told.error)
    return _target(folder, kind), told.weight_bytes


def _target(folder: Path, kind: ExportKind) -> Path:
    return folder / "work" / Path(kind.path).name


def convert_as_told(folder: Path, kind: ExportKind, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Does the work of the process."""
    try:
        order = receive(requests, Conversion, LARGEST_REQUEST_BYTES)
        if order is None:
            return
        end_with_asker(requests.fileno())  # a converter that never ends must not outlive a push that was killed
        from components.push.exports.converters import convert
        from components.push.exports.portable import weight_bytes

        convert(folder / MODEL, ModelCard.from_json(order.card, "the card"), kind, _target(folder, kind))
        send(replies, Converted(weight_bytes(folder / MODEL, kind)))
    # Whatever a converter does with a network that it does not know.
    except Exception as error:
        send(replies, Converted(error=error_line(error)))


def main() -> None:
    """Answers on standard output, which nothing else can write to."""
    folder, kind = Path(sys.argv[1]), KINDS[sys.argv[2]]
    give_up_files(folder)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.modules["keras"] = None  # type: ignore[assignment]  # not needed, and slow to import
    convert_as_told(folder, kind, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
