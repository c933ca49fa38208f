"""Folders that a process needs for a time go with it: at its end, or, if it was killed, at the next one's start."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from components.storage.scratch import remove_dead_folders, scratch_folder

ROOT = Path(__file__).parents[2]
OWNER = (
    "import sys, time; from components.storage.scratch import scratch_folder\n"
    "with scratch_folder('model') as folder:\n"
    "    (folder / 'model').mkdir(); (folder / 'model' / 'weights').write_bytes(bytes(1000))\n"
    "    (folder / 'link').symlink_to('/'); print(folder, flush=True); time.sleep(600)\n"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextlib.contextmanager
def owner(temporary):
    """Yields a process that has a folder, and the folder."""
    variables = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", OWNER], env=variables, stdout=subprocess.PIPE, text=True)
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_folder_is_there_for_as_long_as_it_is_needed(temporary):
    with scratch_folder("model") as folder:
        (folder / "x").write_bytes(b"x")
        assert folder.parent == temporary.resolve()
        assert folder.name.startswith("agrivision-model-")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert [*temporary.iterdir()] == []
    with pytest.raises(ValueError, match="ours"), scratch_folder("model"):
        raise ValueError("ours")
    assert [*temporary.iterdir()] == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_that_of_a_live_one_stays(temporary):
    with owner(temporary) as (killed, dead), owner(temporary) as (_, alive):
        assert remove_dead_folders() == 0
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (dead / "model" / "weights").exists()
        with scratch_folder("push") as own:
            assert sorted(temporary.iterdir()) == sorted([alive, own])
        assert (alive / "model" / "weights").exists()


def test_each_dead_folder_is_counted_once_and_own_ones_stay(temporary):
    for _ in range(2):
        with owner(temporary) as (process, _):
            process.kill()
            process.wait()
    with scratch_folder("model") as own:  # which has removed them, as any does
        assert remove_dead_folders() == 0
        assert [*temporary.iterdir()] == [own]


def make_folder_without_lock(place):
    (place / "model").mkdir(parents=True)


def make_link(place):
    target = place.parent / "other"
    target.mkdir()
    (target / ".owner").touch()
    place.symlink_to(target)


def make_file(place):
    place.touch()


def make_lock_that_is_a_link(place):
    place.mkdir()
    (place.parent / "lock").touch()
    (place / ".owner").symlink_to(place.parent / "lock")


def make_lock_that_is_a_pipe(place):
    place.mkdir()
    os.mkfifo(place / ".owner")


@pytest.mark.parametrize(
    "make", [make_folder_without_lock, make_link, make_file, make_lock_that_is_a_link, make_lock_that_is_a_pipe]
)
def test_what_has_no_lock_of_its_own_is_left_alone(temporary, make):
    place = temporary / "agrivision-model-earlier"
    make(place)

    assert remove_dead_folders() == 0
    assert os.path.lexists(place)


def test_what_an_interrupted_removal_has_left_is_removed_next_time(temporary):
    place = temporary / "agrivision-model-half"
    place.mkdir()
    (place / ".owner").touch()
    (temporary / "another").mkdir()

    assert remove_dead_folders() == 1
    assert [each.name for each in temporary.iterdir()] == ["another"]
