"""Verifies a serving model in a fresh process that loads it like a model server: with TensorFlow and none of our code.

`python -m components.push.verify` reads a Check as JSON and answers tiles from the test records with both signatures.
It exits 0 if the answers match those that were scored, else 42 with one line that names the difference.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import environment, storage
from components.contracts import Document, Evaluation, Manifest, ModelCard
from components.errors import DataError

TOLERANCE = 1e-5
_SAMPLE_TILES = 64
_BATCH_SIZE = 16
_LIMIT_SECONDS = 900


class Check(Document, frozen=True, kw_only=True):
    """The task of the fresh process; it must be able to open all paths and URIs."""

    model_dir: str
    shard_uris: tuple[str, ...]
    predictions_uri: str
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    label_mode: str


def check_of(model_dir: Path, card: ModelCard, data_root: str, manifest: Manifest, evaluation: Evaluation) -> Check:
    """Returns the check of a serving model against the evaluation of its training."""
    return Check(
        model_dir=os.fspath(model_dir.resolve()),
        shard_uris=tuple(storage.join(data_root, shard.path) for shard in manifest.splits["test"].shards),
        predictions_uri=storage.join(data_root, evaluation.predictions_path),
        classes=card.classes,
        thresholds=card.thresholds,
        label_mode=card.label_mode,
    )


def verify_in_fresh_process(
    model_dir: Path, card: ModelCard, data_root: str, manifest: Manifest, evaluation: Evaluation
) -> str:
    """Answers some test tiles with the serving model in a fresh process; returns a line for the log.

    Raises:
      DataError: if an answer differs from the evaluation's, or the model cannot be loaded.
    """
    check = check_of(model_dir, card, data_root, manifest, evaluation)
    # Without a GPU, because this process may hold all of its memory.
    overrides = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_CONFIG": "",
    }
    command = [sys.executable, "-m", "components.push.verify"]
    try:
        process = subprocess.run(
            command,
            input=check.to_json(),
            capture_output=True,
            env=environment.child_environment(overrides),
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"the serving model did not answer within {_LIMIT_SECONDS} s; nothing was pushed") from error
    lines = process.stdout.decode(errors="replace").strip().splitlines()
    if process.returncode:
        lines = lines or process.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"the process ended with exit code {process.returncode}"
        raise DataError(
            f"the serving model of version {card.version} is not the evaluated one, nothing was pushed: {why}"
        )
    return lines[-1]


def compare_answers(check: Check) -> str:
    """Compares the model's answers with the evaluation's; runs in the fresh process.

    Raises:
      DataError: at the first difference.
    """
    import io

    import tensorflow as tf

    with np.load(io.BytesIO(storage.read_bytes(check.predictions_uri)), allow_pickle=False) as arrays:
        row_of_tile = {str(name): row for row, name in enumerate(arrays["tile_ids"])}
        expected, expected_predicted = arrays["candidate"], arrays["candidate_predicted"]
    try:
        model = tf.saved_model.load(check.model_dir)
        masked, unmasked = model.signatures["masked"], model.signatures["serving_default"]
    except Exception as error:  # a damaged SavedModel can fail in many ways
        raise DataError(f"it cannot be loaded: {type(error).__name__}: {error}") from error
    takes_nir = "nir" in masked.structured_input_signature[1]
    num_tiles, largest = 0, 0.0
    for batch in _sample(check, set(row_of_tile)):
        tile_ids = [name.decode() for name in batch["tile_id"].numpy()]
        images = {name: batch[name] for name in (("rgb", "nir") if takes_nir else ("rgb",))}
        answer = masked(**images, valid_mask=batch["valid_mask"])
        if [name.decode() for name in answer["class_names"].numpy()[0]] != list(check.classes):
            raise DataError(f"its class names are {answer['class_names'].numpy()[0]}, not {', '.join(check.classes)}")
        rows = [row_of_tile[name] for name in tile_ids]
        probabilities, predicted = answer["probabilities"].numpy(), answer["predicted"].numpy()
        difference = np.abs(probabilities - expected[rows])  # [n, C]
        if not difference.max() <= TOLERANCE:  # also true for NaN
            worst = tile_ids[int(difference.max(axis=1).argmax())]
            raise DataError(f"it answers tile {worst} {difference.max():.2g} off, expected at most {TOLERANCE:.0e}")
        undecided = _undecided(expected[rows], check)
        wrong = (predicted != expected_predicted[rows]) & ~undecided
        if wrong.any():
            raise DataError(f"its decision for tile {tile_ids[int(wrong.any(axis=1).argmax())]} differs")
        whole = unmasked(**images)["probabilities"].numpy()
        by_mask = masked(**images, valid_mask=tf.fill(tf.shape(batch["rgb"]), ""))["probabilities"].numpy()
        if not np.abs(whole - by_mask).max() <= TOLERANCE:
            raise DataError("its signatures differ where every pixel counts")
        num_tiles += len(rows)
        largest = max(largest, float(difference.max()))
    if not num_tiles:
        raise DataError("none of the evaluated tiles is in the test shards")
    return f"a fresh process answered {num_tiles:,} test tiles as evaluated, at most {largest:.1g} off"


def _sample(check: Check, known: set[str]) -> Iterator[dict[str, Any]]:
    """Yields batches of the first evaluated tiles; a hash deals tiles to shards, so the first are like any others."""
    import tensorflow as tf

    from components.records import tfrecords

    names = tf.constant(sorted(known))

    def is_known(record: dict[str, Any]) -> Any:
        return tf.reduce_any(tf.equal(record["tile_id"], names))

    records = tfrecords.serialized_records(check.shard_uris).map(
        lambda serialized: tfrecords.parse(serialized, len(check.classes))
    )
    yield from records.filter(is_known).take(_SAMPLE_TILES).batch(_BATCH_SIZE)


def _undecided(probabilities: NDArray[np.float32], check: Check) -> NDArray[np.bool_]:
    """Returns where a difference within the tolerance can change a decision, bool [n, C]."""
    if check.label_mode == "single_label":
        first_two = np.sort(probabilities, axis=1)[:, -2:]
        gap = first_two[:, -1:] - first_two[:, :1]
        return np.asarray(np.broadcast_to(gap <= 2 * TOLERANCE, probabilities.shape))
    return np.asarray(np.abs(probabilities - np.asarray(check.thresholds)) <= TOLERANCE)


def main() -> None:
    """Reads a Check from standard input and prints the result; exits 42 if the model fails it."""
    # A server has no Keras, and importing it takes half the time that this process does.
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        print(compare_answers(Check.from_json(sys.stdin.buffer.read(), "standard input")), flush=True)
    except DataError as error:
        print(" ".join(str(error).split()), flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
