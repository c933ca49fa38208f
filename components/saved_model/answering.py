"""Runs a model: `python -m components.saved_model.answering FOLDER` answers what asking.py asks, with TensorFlow.

The process holds no secrets, see confined.py. It loads the model only if its graph may be loaded, see allowed_ops.py,
and, like a model server, with TensorFlow and none of the code that made the model.
"""

import concurrent.futures
import contextlib
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.saved_model.allowed_ops import read_graph
from components.saved_model.confined import give_up_files
from components.saved_model.messages import Array, Reply, Request, receive_request, send

MODEL = "model"  # the model's place in the folder
# Of an exported training; a served model has signatures.
TRAINED, LOGITS, MAPS = "predict_encoded", "logits_encoded", "maps_encoded"
PIXELS = "pixels"  # of both
DECODED = "decoded"  # of a served model, which answers as its signature `masked` does, see records/tile_pixels.py
DENSE = "dense_encoded"  # of a dense head only
# The functions of an exported training, and the names of what each returns; one that has several names them itself.
EXPORTED = {TRAINED: ("probabilities",), LOGITS: ("logits",), MAPS: ("maps",), DENSE: ("logits", "maps")}
_ARGUMENTS = ("rgb", "nir", "valid_mask")  # of each
_REQUESTS_AT_ONCE = 2
_MOST_ERROR_CHARACTERS = 500
_Functions: TypeAlias = dict[str, tuple[Callable[..., Any], tuple[str, ...]]]
_REASON = re.compile(r"\n([^\n]+)\n\s*\[\[\{\{node")


def answer_requests(folder: Path, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Loads the model in `folder`/model, says so, and answers each request until there are no more."""
    try:
        functions = _load(folder / MODEL)
    # Whatever a damaged model does to TensorFlow: OSError, ValueError, KeyError, DecodeError, or one of its own.
    except Exception as error:
        send(replies, Reply(error=error_line(error)))
        return
    send(replies, Reply(arguments={name: arguments for name, (_, arguments) in functions.items()}))
    for reply in _replies(functions, requests):
        send(replies, reply)


def _replies(functions: _Functions, requests: IO[bytes]) -> Iterator[Reply]:
    """Yields a reply to each request, in order; the next one arrives while the model works on this one.

    Two small ones are worked on at once. Where one has to wait for its slowest thread the other goes on, so that both
    together take a tenth less time.
    """
    begun: queue.Queue[concurrent.futures.Future[Reply] | None] = queue.Queue(1)
    threads, turns = concurrent.futures.ThreadPoolExecutor(_REQUESTS_AT_ONCE), _Turns()

    def read() -> None:
        try:
            # A request that is none ends this process, as if the other side had ended.
            with contextlib.suppress(OSError, ValueError):
                while (request := receive_request(requests)) is not None:
                    begun.put(threads.submit(_reply, functions, turns, *request))
        finally:  # so does want of memory, for a request or for a thread
            begun.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (reply := begun.get()) is not None:
        yield reply.result()


def _reply(functions: _Functions, turns: "_Turns", request: Request, pixels: dict[str, NDArray[np.uint8]]) -> Reply:
    try:
        with turns.of(request):
            return Reply(results=_answer(functions, request, pixels))
    except Exception as error:
        return Reply(error=error_line(error))


class _Turns:
    """Lets the model work on one request, or on several small ones; who waits longest is next."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._working: list[Request] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def of(self, request: Request) -> Iterator[None]:
        """Waits for the turn of a request, and keeps it until the context ends."""
        with self._changed:
            self._waiting.append(request)
            self._changed.wait_for(lambda: self._waiting[0] is request and self._fits(request))
            self._working.append(self._waiting.pop(0))
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._working = [each for each in self._working if each is not request]
                self._changed.notify_all()

    def _fits(self, request: Request) -> bool:
        return not self._working or all(each.is_small for each in (request, *self._working))


def load_checked(folder: Path) -> Any:
    """Loads a SavedModel whose graph may be loaded.

    Raises:
      DataError: if it may not; TensorFlow raises others for a model that is damaged.
    """
    import tensorflow as tf

    read_graph(folder)
    return tf.saved_model.load(os.fspath(folder))


def _load(folder: Path) -> _Functions:
    model = load_checked(folder)
    functions: _Functions = {}
    for name, signature in model.signatures.items():
        functions[name] = (signature, tuple(sorted(signature.structured_input_signature[1])))
    for name, results in EXPORTED.items():
        if hasattr(model, name):
            functions[name] = (_exported(getattr(model, name), results), _ARGUMENTS)
    # The functions alone do not keep the variables alive.
    functions[""] = (lambda: model, ())
    return functions


def _exported(function: Callable[..., Any], results: tuple[str, ...]) -> Callable[..., Any]:
    def named(rgb: Any, nir: Any, valid_mask: Any) -> dict[str, Any]:
        returned = function(rgb, nir, valid_mask)
        return {results[0]: returned} if len(results) == 1 else {name: returned[name] for name in results}

    return named


def _answer(
    functions: _Functions,
    request: Request,
    pixels: dict[str, NDArray[np.uint8]],
) -> dict[str, Array]:
    import tensorflow as tf

    function, arguments = functions[request.function]
    given: dict[str, Any] = {name: tf.constant(array) for name, array in pixels.items()}
    if not given:
        given = {name: tf.constant(list(request.images[name]), tf.string) for name in arguments}
    return {name: _array(tensor) for name, tensor in function(**given).items()}


def _array(tensor: Any) -> Array:
    values = tensor.numpy()
    if values.dtype == object:
        return Array(values.shape, "text", text=tuple(values.ravel().tolist()))
    return Array(values.shape, values.dtype.name, values.tobytes())


def error_line(error: Exception) -> str:
    """Returns what an error says in one line of printable text."""
    text = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
    # Text of the model's own is in here; the one who asked shows it.
    lines = text.strip().splitlines() or [type(error).__name__]
    if reason := _REASON.search(text):  # in the middle of what TensorFlow says of a graph
        lines = [f"{type(error).__name__}: {reason[1].strip()}"]
    return "".join(char if char.isprintable() else "?" for char in lines[0])[:_MOST_ERROR_CHARACTERS]


def main() -> None:
    """Answers on standard output, which nothing else can write to."""
    folder = Path(sys.argv[1])
    give_up_files(folder)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library or an operation prints
    # A server has no Keras, and importing it takes half the time that this process does.
    sys.modules["keras"] = None  # type: ignore[assignment]
    answer_requests(folder, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
