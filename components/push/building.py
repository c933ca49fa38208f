"""Builds the serving model in a process of its own that holds no secrets: the exported model is loaded for it.

`python -m components.push.building FOLDER` first tells the content digest of FOLDER/model; told a card, it builds the
model to serve in FOLDER/work.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from components.contracts import ModelCard, TrainingReceipt
from components.errors import DataError
from components.saved_model.answering import MODEL, error_line
from components.saved_model.confined import confined_process, give_up_files
from components.saved_model.files import verified_copy
from components.saved_model.messages import LARGEST_REPLY_BYTES, LARGEST_REQUEST_BYTES, receive, send

SERVING = "work/serving"


class Told(msgspec.Struct, frozen=True):
    """What the process says: first the content digest, then the built model's signatures; or why neither can be."""

    content: str = ""
    signatures: tuple[str, ...] = ()
    error: str = ""


class Build(msgspec.Struct, frozen=True):
    """The card to build a model by, as JSON."""

    card: bytes


class Builder:
    """A process with an exported model, which can make the model to serve of it."""

    def __init__(self, folder: Path, requests: IO[bytes], replies: IO[bytes], uri: str) -> None:
        self._folder, self._requests, self._replies, self._uri = folder, requests, replies, uri

    def content(self) -> str:
        """Returns the content digest of the exported model; see serving.content_digest. To be called first.

        Raises:
          DataError: if the model cannot be read, or may not be loaded.
        """
        return self._told().content

    def build(self, card: ModelCard) -> tuple[Path, tuple[str, ...]]:
        """Returns a folder with the model to serve, without its card, and the names of the model's signatures.

        Raises:
          DataError: if the exported model cannot be loaded, or is not as its card says.
        """
        with contextlib.suppress(BrokenPipeError):  # it will say why
            send(self._requests, Build(card.to_json()))
        signatures = self._told().signatures
        return self._folder / SERVING, signatures

    def _told(self) -> Told:
        try:
            told = receive(self._replies, Told, LARGEST_REPLY_BYTES)
        except ValueError as error:
            told = Told(error=f"its process sent {error}")
        told = told or Told(error="its process has ended, perhaps for want of memory")
        if told.error:
            raise DataError(f"cannot serve the SavedModel at {self._uri!r}: {told.error}")
        return told


@contextlib.contextmanager
def builder(uri: str, receipt: TrainingReceipt, folder: Path) -> Iterator[Builder]:
    """Yields what builds the model to serve.

    Args:
      uri: Where the exported model is.
      receipt: Of its training.
      folder: A new local folder.

    Raises:
      DataError: if the model is not the one that the training exported.
    """
    folder = folder.resolve()
    verified_copy(uri, receipt.files, folder / MODEL)
    with _building_process(folder) as (requests, replies):
        yield Builder(folder, requests, replies, uri)


@contextlib.contextmanager
def _building_process(folder: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with confined_process("components.push.building", [os.fspath(folder)], folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout


def build_as_told(folder: Path, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Does the work of the process."""
    from components.push.serving import content_digest, save_serving_model

    try:
        send(replies, Told(content=content_digest(folder / MODEL)))
        request = receive(requests, Build, LARGEST_REQUEST_BYTES)
        if request is not None:
            card = ModelCard.from_json(request.card, "the card")
            signatures = save_serving_model(folder / MODEL, card, folder / SERVING)
            send(replies, Told(signatures=signatures))
    # Whatever a damaged model does to TensorFlow.
    except Exception as error:
        send(replies, Told(error=error_line(error)))


def main() -> None:
    """Answers on standard output, which nothing else can write to."""
    folder = Path(sys.argv[1])
    give_up_files(folder)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.modules["keras"] = None  # type: ignore[assignment]  # not needed, and slow to import
    build_as_told(folder, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
