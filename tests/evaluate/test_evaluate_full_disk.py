"""A folder for temporary files that is full, or not there, is named in one line."""

import contextlib
import errno
import os
import tempfile

import numpy as np
import pytest
from test_evaluate_kept_predictions import split_columns, written

from components.errors import EXIT_DATA, EXIT_SETTINGS, as_user_error
from components.evaluate.reading.columns import ColumnWriter
from components.evaluate.reading.tile_names import NameWriter


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_columns(folder, monkeypatch):
    monkeypatch.setattr(os, "pwrite", full)
    with ColumnWriter(folder / "x.npy", 2, 3, np.float32) as writer:
        writer.add(np.zeros((2, 3), np.float32))


def write_names(folder, monkeypatch):
    (folder / "names").symlink_to("/dev/full")
    with contextlib.ExitStack() as stack:
        names = NameWriter(folder / "names", 1)
        stack.callback(names._ends.__exit__, None, None, None)
        names.add(["x"])
        names.finish()


def write_kept(name):
    def write(folder, monkeypatch):
        tiles = split_columns(folder / "columns", 3)
        (folder / "run").mkdir()
        (folder / "run" / name).symlink_to("/dev/full")
        monkeypatch.setattr("pathlib.Path.mkdir", lambda *_, **__: None)
        written(folder, tiles)

    return write


@pytest.mark.parametrize("write", [write_columns, write_names, write_kept("predictions.npz"), write_kept("sample.npz")])
def test_a_full_disk_is_named_whatever_of_an_evaluation_is_written_there(tmp_path, monkeypatch, write):
    with pytest.raises(OSError, match="No space left") as raised:
        write(tmp_path, monkeypatch)
    monkeypatch.undo()
    error = as_user_error(raised.value)
    assert error.exit_code == EXIT_DATA
    assert str(error).startswith(f"cannot write under '{tmp_path}")


def test_no_folder_for_temporary_files_is_a_setting(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent", "/dev/full"])
    with pytest.raises(FileNotFoundError, match="No usable temporary directory") as raised:
        tempfile.TemporaryDirectory()
    error = as_user_error(raised.value)
    assert error.exit_code == EXIT_SETTINGS
    assert str(error) == "no folder for temporary files can be written to; set TMPDIR to one that has some space"
