"""Writes a training's curves for TensorBoard, to `events/` in the training's folder; the chief writes while it trains.

    tensorboard --logdir <data_root>/training

In a local folder, the file grows during training. Objects in a bucket cannot grow, so there the file is rewritten once
a minute and at the end of each epoch. If the file cannot be written, one log line says so and training continues.
"""

import os
import shutil
import socket
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

import tensorflow as tf

from components import storage
from components.contracts import EpochMetrics
from components.progress import log
from components.train.checkpoint.checkpoints import TrainingState
from components.train.loop.step_clock import LoopTime, StepClock
from components.train.loop.trainee import Trainee
from components.train.step.schedule import learning_rate

_POINTS_PER_EPOCH = 500  # a point is 100 bytes, and a screen about 2,000 pixels wide
_FLUSH_SECONDS = 2.0
_UPLOAD_SECONDS = 60.0
_VERSION = "brain.Event:2"  # TensorFlow's own writer starts a file with this


class EventFile:
    """Appends scalars to a new event file in TensorBoard's format, a TFRecord file of `tf.Event` messages."""

    def __init__(self, folder_uri: str, first_step: int) -> None:
        """Starts a file in the folder.

        Args:
          folder_uri: The folder.
          first_step: First step of this file. TensorBoard drops points of older files from this step on, because these
            steps are repeated.
        """
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._uri = storage.join(folder_uri, name)
        self._is_remote = storage.is_remote(folder_uri)
        if self._is_remote:
            folder_uri = tempfile.mkdtemp()
            # A training ends in many ways, and nobody waits for its curves: the copy goes with this object.
            weakref.finalize(self, shutil.rmtree, folder_uri, ignore_errors=True)
        self._path = Path(folder_uri, name)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._flushed = self._uploaded = time.monotonic()
        self._write(file_version=_VERSION)
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._write(step=first_step, session_log=start)

    def add(self, step: int, scalars: dict[str, float]) -> None:
        """Appends one point to each curve in `scalars`."""
        value = [tf.compat.v1.Summary.Value(tag=tag, simple_value=number) for tag, number in scalars.items()]
        self._write(step=step, summary=tf.compat.v1.Summary(value=value))
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self.flush(upload=time.monotonic() - self._uploaded >= _UPLOAD_SECONDS)

    def flush(self, upload: bool = True) -> None:
        """Makes the appended points visible to readers; in a bucket, only with `upload`."""
        self._writer.flush()
        self._flushed = time.monotonic()
        if self._is_remote and upload:
            storage.write_bytes(self._uri, self._path.read_bytes())
            self._uploaded = time.monotonic()

    def _write(self, **content: Any) -> None:
        self._writer.write(tf.compat.v1.Event(wall_time=time.time(), **content).SerializeToString())


class Curves:
    """Writes the chief's curves: `step/` curves by step and `epoch/` curves by epoch, both counted from 1."""

    def __init__(self, trainee: Trainee, state: TrainingState) -> None:
        self._trainee = trainee
        self._every = max(1, trainee.steps_per_epoch // _POINTS_PER_EPOCH)
        self._last = LoopTime()
        self._file: EventFile | None = None
        if trainee.worker == 0:
            self._attempt(lambda: self._begin(state.global_step + 1))

    def _begin(self, first_step: int) -> None:
        self._file = EventFile(self._trainee.events_uri, first_step)

    def steps_done(self, state: TrainingState, losses: list[float], clock: StepClock) -> None:
        """Adds points for the steps up to `state`."""
        first = state.global_step - len(losses)
        chosen = [n for n in range(len(losses)) if (first + n + 1) % self._every == 0]
        if self._file is None or not chosen:
            return
        config, file = self._trainee.config, self._file
        points = {
            first + n + 1: {
                "step/loss": losses[n],
                "step/learning_rate": learning_rate(config, first + n, self._trainee.num_steps),
            }
            for n in chosen
        }
        stretch, self._last = clock.total - self._last, clock.total
        if stretch.num_steps:
            points[first + chosen[-1] + 1] |= {
                "step/tiles_per_second": stretch.steps_per_second * config.global_batch_size,
                "step/input_wait_share": stretch.input_wait_share,
            }

        def write() -> None:
            for step, scalars in points.items():
                file.add(step, scalars)

        self._attempt(write)

    def epoch_done(self, metrics: EpochMetrics) -> None:
        """Adds the epoch's points."""
        file = self._file
        if file is None:
            return
        scalars = {
            "epoch/train_loss": metrics.train_loss,
            "epoch/val_loss": metrics.val_loss,
            "epoch/val_macro_f1": metrics.val_macro_f1,
            "epoch/learning_rate": metrics.learning_rate,
            "epoch/tiles_per_second": metrics.tiles_per_second,
            "epoch/input_wait_share": metrics.input_wait_share,
        }

        if metrics.val_mean_iou is not None:
            scalars["epoch/val_mean_iou"] = metrics.val_mean_iou

        def write() -> None:
            file.add(metrics.epoch + 1, scalars)
            file.flush()

        self._attempt(write)

    def _attempt(self, write: Any) -> None:
        try:
            write()
        except Exception as error:
            self._file = None
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            log("train", f"cannot write the curves for TensorBoard any more: {reason}; training continues")
