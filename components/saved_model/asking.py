"""Asks a model for its answers, in a process of its own that holds no secrets. Imports no TensorFlow."""

import contextlib
import dataclasses
import os
import queue
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.saved_model import answering
from components.saved_model.answering import DENSE, EXPORTED, LOGITS, MAPS, MODEL
from components.saved_model.checked_answers import as_maps, as_probabilities, float32_of
from components.saved_model.confined import confined_process
from components.saved_model.files import verified_copy
from components.saved_model.messages import LARGEST_REPLY_BYTES, Reply, Request, receive, send, send_pixels
from components.storage.scratch import scratch_folder

_LIMIT_SECONDS = 900.0  # for loading a model, or for a batch; the largest backbone takes one minute on two busy cores


@dataclasses.dataclass(frozen=True)
class ModelProcess:
    """The process that runs a model, how to end it, and whether it still runs."""

    requests: IO[bytes]
    replies: IO[bytes]
    kill: Callable[[], None]
    is_running: Callable[[], bool] = lambda: True


class CannotAnswer(DataError):
    """The model is loaded and refuses this batch, such as one with a damaged image; it may answer another."""


class MissingFunction(DataError):
    """The model is loaded and has no such function."""


class AskedModel:
    """A model in another process, which loads it while this one does something else.

    Two threads may ask at once: while the model works on one's batch, the other's is being sent, and worked on, too, if
    both are small.

    Attributes:
      limit_seconds: For loading the model, and for each batch; a process that takes longer is ended.
    """

    def __init__(self, process: ModelProcess, uri: str) -> None:
        self._process, self._uri = process, uri
        self.limit_seconds = _LIMIT_SECONDS
        self._arguments: dict[str, tuple[str, ...]] | None = None
        self._sending, self._receiving = threading.Lock(), threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process.is_running()

    def arguments(self, function: str) -> tuple[str, ...]:
        """Returns the names of a function's arguments.

        Raises:
          DataError: if the model cannot be loaded, or has no such function.
        """
        if self._arguments is None:
            reply = self._exchange(None)
            if reply.error:
                raise DataError(f"cannot load the SavedModel at {self._uri!r}: {reply.error}")
            self._arguments = reply.arguments
        if function not in self._arguments:
            if function in EXPORTED:
                raise MissingFunction(
                    f"the SavedModel at {self._uri!r} has no function {function!r}; if an earlier version of this "
                    "project exported it, run the pipeline again, which trains it again"
                )
            raise MissingFunction(f"the SavedModel at {self._uri!r} has no signature {function!r}")
        return self._arguments[function]

    def ask(self, function: str, images: Mapping[str, Sequence[bytes]]) -> dict[str, NDArray[np.generic]]:
        """Returns what a function says of N tiles, by the name of the result.

        Args:
          function: One of answering.EXPORTED, or a signature of a served model.
          images: Image files by argument, N each; those that the function does not take are left out.

        Raises:
          CannotAnswer: if the model refuses these images.
          DataError: if the model cannot be loaded, has no such function, or breaks down.
        """
        needed = self._needed(function, images)
        request = Request(function, {name: tuple(images[name]) for name in needed})
        return self._results(self._exchange(lambda pipe: send(pipe, request)))

    def ask_pixels(
        self, function: str, pixels: Mapping[str, NDArray[np.uint8]], *, is_small: bool = False
    ) -> dict[str, NDArray[np.generic]]:
        """Returns what a function that takes pixels says of N tiles, by the name of the result; raises as ask does.

        Args:
          function: A signature of a served model.
          pixels: Arrays by argument, of N tiles each.
          is_small: Whether there is memory to work on it beside another such one, which another thread asks.
        """
        given = {name: pixels[name] for name in self._needed(function, pixels)}
        return self._results(self._exchange(lambda pipe: send_pixels(pipe, function, given, is_small=is_small)))

    def _needed(self, function: str, given: Collection[str]) -> tuple[str, ...]:
        needed = self.arguments(function)
        if missing := [name for name in needed if name not in given]:
            raise DataError(f"the SavedModel at {self._uri!r} asks for {', '.join(missing)}, which no tile has")
        return needed

    def answers_ahead(
        self, function: str, batches: Iterable[Mapping[str, NDArray[np.uint8]]]
    ) -> Generator[dict[str, NDArray[np.generic]], None, None]:
        """Yields what a function says of each batch of decoded tiles, in order, by the name of the result.

        A thread takes batches from the iterator and sends them, at most two ahead of the one that the model works on. A
        model that was not asked to the end can be asked no more.

        Args:
          function: A signature of a served model that takes pixels.
          batches: Arrays by argument, of N tiles each.

        Raises:
          DataError: if the model refuses a batch, cannot be loaded, has no such function, or breaks down.
          Exception: what `batches` raises, once everything before it is answered.
        """
        needed = self.arguments(function)
        sent: queue.Queue[Exception | bool] = queue.Queue()  # True for a batch, False or an error for the end

        def send_all() -> None:
            try:
                for batch in batches:
                    sent.put(True)
                    send_pixels(self._process.requests, function, {name: batch[name] for name in needed})
            except Exception as error:  # whoever waits for the answers is told
                sent.put(error)
            else:
                sent.put(False)

        sender = threading.Thread(target=send_all, daemon=True)
        sender.start()
        try:
            while (following := sent.get()) is True:
                yield self._results(self._exchange(None))
            if isinstance(following, Exception):
                raise following
        except BaseException:
            self._process.kill()  # so that whoever writes to it ends, too
            sender.join()
            raise

    def _results(self, reply: Reply) -> dict[str, NDArray[np.generic]]:
        if reply.error:
            raise CannotAnswer(reply.error)
        try:
            return {name: array.values() for name, array in reply.results.items()}
        except ValueError as error:
            raise self._broken(f"its answer is {error}") from error

    def probabilities(
        self, function: str, images: Mapping[str, Sequence[bytes]], num_classes: int
    ) -> NDArray[np.float32]:
        """Returns the probabilities that a function gives, float32 [N, C]; see ask.

        Raises:
          DataError: additionally, if they are not of this shape.
        """
        return as_probabilities(self.ask(function, images), len(images["rgb"]), num_classes, self._uri)

    def logits(self, images: Mapping[str, Sequence[bytes]], num_classes: int) -> NDArray[np.float32]:
        """Returns the logits that an exported training gives, float32 [N, C]; see ask.

        Raises:
          DataError: additionally, if they are not of this shape.
        """
        shape = len(images["rgb"]), num_classes
        return float32_of(self.ask(LOGITS, images), "logits", shape, self._uri)

    def has(self, function: str) -> bool:
        """Tells whether the model has a function: an export of an earlier version has no maps.

        Raises:
          DataError: if the model cannot be loaded.
        """
        with contextlib.suppress(MissingFunction):
            self.arguments(function)
            return True
        return False

    def maps(self, images: Mapping[str, Sequence[bytes]], num_classes: int) -> NDArray[np.float32]:
        """Returns the class-activation maps that an exported training gives, float32 [N, h, w, C]; see ask.

        Raises:
          DataError: additionally, if they are not of this shape, or not finite.
        """
        return as_maps(self.ask(MAPS, images), len(images["rgb"]), num_classes, self._uri)

    def dense(
        self, images: Mapping[str, Sequence[bytes]], num_classes: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns what a dense head says in one pass: logits float32 [N, C], and those of places [N, h, w, C]; see ask.

        Raises:
          DataError: additionally, if they are not of these shapes, or the maps are not finite.
        """
        results, num_tiles = self.ask(DENSE, images), len(images["rgb"])
        logits = float32_of(results, "logits", (num_tiles, num_classes), self._uri)
        return logits, as_maps(results, num_tiles, num_classes, self._uri)

    def _exchange(self, send_request: Callable[[IO[bytes]], None] | None) -> Reply:
        stopped: list[str] = []

        def stop() -> None:
            stopped.append(f"it did not answer within {self.limit_seconds:.0f} s")
            self._process.kill()

        timer = threading.Timer(self.limit_seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            # Whoever has sent waits for the turn to receive before another may send: replies come in that order.
            with self._sending:
                if send_request is not None:
                    send_request(self._process.requests)
                self._receiving.acquire()
            try:
                reply = receive(self._process.replies, Reply, LARGEST_REPLY_BYTES)
            finally:
                self._receiving.release()
        except OSError as error:
            raise self._broken(stopped[0] if stopped else "its process has ended") from error
        except ValueError as error:
            raise self._broken(f"it sent {error}") from error
        finally:
            timer.cancel()
        if reply is None:
            raise self._broken(stopped[0] if stopped else "its process has ended, perhaps for want of memory")
        return reply

    def _broken(self, why: str) -> DataError:
        return DataError(f"the SavedModel at {self._uri!r} breaks down: {why}")


@contextlib.contextmanager
def asked_model(uri: str, files: Mapping[str, str], beside: Collection[str] = ()) -> Iterator[AskedModel]:
    """Yields the SavedModel in a folder or on a bucket, ready to be asked; see verified_copy for the arguments.

    Raises:
      DataError: if a file is missing, or not as it was when `files` was made.
    """
    with scratch_folder("model") as folder:
        verified_copy(uri, files, folder / MODEL, beside)
        with _model_process(folder) as process:
            yield AskedModel(process, uri)


@contextlib.contextmanager
def _model_process(folder: Path) -> Iterator[ModelProcess]:
    with confined_process(answering.__name__, [os.fspath(folder)], folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield ModelProcess(process.stdin, process.stdout, process.kill, lambda: process.poll() is None)
