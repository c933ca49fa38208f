"""A converter's process that ends, hangs or talks nonsense costs a format, within a limit of time."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from model_cards import card_of

from components.errors import DataError
from components.push.exports import converting
from components.push.exports.converters import convert
from components.push.exports.kinds import KINDS
from components.saved_model.messages import send


def process_that(does: str):
    """Stands in for confined_process: yields a Python process that does something else."""

    @contextlib.contextmanager
    def started(module, arguments, folder):
        command = [sys.executable, "-c", does]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            yield process
            process.kill()

    return started


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("import time; time.sleep(60)", r"its converter has ended, for want of memory or after 1 s"),
        ("import os; os.kill(os.getpid(), 9)", r"its converter (has ended|broke down)"),
        (
            "import sys; sys.stdin.buffer.read(4); print('x' * 40)",
            r"its converter broke down: a message of [\d,]+ bytes",
        ),
        (
            r"import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write(b'\0\0\0\1\xc1')",
            r"its converter broke down: MessagePack",
        ),
    ],
    ids=["hangs", "dies", "talks", "nonsense"],
)
def test_a_converter_that_breaks_down_costs_its_format(tmp_path, monkeypatch, does, message):
    monkeypatch.setattr(converting, "confined_process", process_that(does))
    monkeypatch.setattr(converting, "_LIMIT_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(DataError, match=message):
        converting.converted(tmp_path, card_of("v"), KINDS["litert"])
    assert time.monotonic() - began < 30


def test_what_a_converter_says_is_the_reason(tmp_path, monkeypatch):
    class Replies(list):
        write = list.append

        def flush(self):
            pass

    said = Replies()
    send(said, converting.Converted(error="ValueError: no such op"))
    does = f"import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write({b''.join(said)!r})"
    monkeypatch.setattr(converting, "confined_process", process_that(does))
    with pytest.raises(DataError, match="ValueError: no such op"):
        converting.converted(tmp_path, card_of("v"), KINDS["litert"])


def test_a_model_that_writes_files_is_never_loaded_by_a_converter(tmp_path):
    victim = tmp_path / "victim"

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.uint8), tf.TensorSpec([None], tf.uint8)])
        def answers_batch(self, image, valid):
            tf.io.write_file(str(victim), "owned")
            return {"logits": tf.cast(image, tf.float32) + tf.cast(valid, tf.float32)}

    tf.saved_model.save(Evil(), str(tmp_path / "evil"))
    with pytest.raises(DataError, match="uses the operation 'WriteFile', which no model of this project needs"):
        convert(tmp_path / "evil", card_of("v"), KINDS["litert"], tmp_path / "file")
    assert not victim.exists()
    assert not Path(tmp_path / "file").exists()
