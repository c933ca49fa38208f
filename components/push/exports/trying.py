"""Answers with a model in another format, as saved_model/answering.py does with a SavedModel, in a process likewise.

`python -m components.push.exports.trying FOLDER KIND BANDS SIZE RATIO` decodes tiles as training did and gives the
pixels to FOLDER/model, which a converter wrote: nobody knows what is in it, and what reads it is a large library.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from components.push.exports.kinds import IMAGE, KINDS, QGIS, VALID, ExportKind
from components.saved_model.answering import MODEL, error_line
from components.saved_model.asking import AskedModel, ModelProcess
from components.saved_model.confined import confined_process, give_up_files
from components.saved_model.messages import LARGEST_REQUEST_BYTES, Array, Reply, Request, receive, send

ANSWERS = "answers"  # the one function
STRIDE = 4  # of a QGIS file's planes, only every fourth row and column travels back
_ARGUMENTS = ("rgb", "nir", "valid_mask")

Session = Callable[[NDArray[np.uint8], NDArray[np.uint8]], dict[str, NDArray[np.float32]]]


@contextlib.contextmanager
def asked_export(
    folder: Path, kind: ExportKind, bands: Sequence[str], image_size_px: int, ratio: int
) -> Iterator[AskedModel]:
    """Yields the model in the file `folder`/model, ready to be asked for ANSWERS.

    Args:
      bands, image_size_px: Of the model.
      ratio: By which its decoder scales JPEG, see components/records/jpeg.py.
    """
    told = [os.fspath(folder), kind.name, ",".join(bands), str(image_size_px), str(ratio)]
    with confined_process(__name__, told, folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield AskedModel(ModelProcess(process.stdin, process.stdout, process.kill), kind.path)


def answer_with_file(
    folder: Path, kind: ExportKind, decode: Callable[..., Any], requests: IO[bytes], replies: IO[bytes]
) -> None:
    """Loads the file, says so, and answers each request until there are no more.

    Args:
      decode: From the files of one tile to image uint8 [S, S, B] and valid uint8 [S, S, 1].
    """
    try:
        session = open_session(folder / MODEL, kind)
    except Exception as error:
        send(replies, Reply(error=error_line(error)))
        return
    send(replies, Reply(arguments={ANSWERS: _ARGUMENTS}))
    while (request := receive(requests, Request, LARGEST_REQUEST_BYTES)) is not None:
        try:
            send(replies, Reply(results=_answer(session, decode, request)))
        except Exception as error:
            send(replies, Reply(error=error_line(error)))


def _answer(session: Session, decode: Callable[..., Any], request: Request) -> dict[str, Array]:
    tiles = [decode(*files) for files in zip(*(request.images[name] for name in _ARGUMENTS), strict=True)]
    image, valid = (np.stack([tile[place].numpy() for tile in tiles]) for place in (0, 1))
    found = session(image, valid)
    return {name: Array(values.shape, values.dtype.name, values.tobytes()) for name, values in found.items()}


def open_session(file: Path, kind: ExportKind) -> Session:
    """Returns what answers with the model in a file."""
    if not kind.is_onnx:
        return _litert_session(file)
    import onnxruntime

    opened = onnxruntime.InferenceSession(os.fspath(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in opened.get_outputs()]

    def answer(image: NDArray[np.uint8], valid: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, opened.run(names, {IMAGE: image, VALID: valid}), strict=True))

    def segment(image: NDArray[np.uint8], valid: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        # As the plugin does.
        planes = np.transpose(np.float32(image * 1.0 / 255.0), (0, 3, 1, 2))
        found = zip(names, opened.run(names, {IMAGE: planes}), strict=True)
        return {name: np.ascontiguousarray(values[..., ::STRIDE, ::STRIDE]) for name, values in found}

    return segment if kind.name == QGIS else answer


def _litert_session(file: Path) -> Session:
    import tensorflow as tf

    with warnings.catch_warnings():
        # It says that a package of its own will replace it, which is as large and brings nothing that is needed here.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=file.read_bytes(), num_threads=1)
    run = interpreter.get_signature_runner()

    def answer(image: NDArray[np.uint8], valid: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        return dict(run(**{IMAGE: image, VALID: valid}))

    return answer


def main() -> None:
    """Answers on standard output, which nothing else can write to."""
    folder, kind, bands = Path(sys.argv[1]), KINDS[sys.argv[2]], sys.argv[3].split(",")
    image_size_px, ratio = int(sys.argv[4]), int(sys.argv[5])
    give_up_files(folder)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.modules["keras"] = None  # type: ignore[assignment]  # not needed, and slow to import
    from components.records.tfrecords import decode_image

    def decode(rgb: bytes, nir: bytes, valid_mask: bytes) -> Any:
        return decode_image(rgb, nir, valid_mask, bands, image_size_px, ratio)

    answer_with_file(folder, kind, decode, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
