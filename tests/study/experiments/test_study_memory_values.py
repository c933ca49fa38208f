"""The experiment of memory: how an end is told, how large the data are, and how memory grows."""

import subprocess
import sys

import pytest

from components.errors import DataError
from components.measuring.peak_memory import available_bytes, own_peak_bytes
from components.study.experiments.memory.all_experiments import num_tiles_beyond
from components.study.experiments.memory.cgroup_limit import memory_cgroup
from components.study.experiments.memory.growth import fitted_slope
from components.study.experiments.memory.limited_runs import ending_of, what_was_told
from components.study.experiments.memory.memory_spec import DECODED_BYTES, OUT_OF_MEMORY, MemoryTold

NO_MEMORY = "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 5.00 GiB"


@pytest.mark.parametrize(
    ("code", "said", "is_limited", "ending"),
    [
        (0, "", True, "trained"),
        (0, "bad_alloc was mentioned, and survived", True, "trained"),
        (OUT_OF_MEMORY, "", True, "out of memory"),
        (1, NO_MEMORY, True, "out of memory"),
        (-6, "terminate called after throwing an instance of 'std::bad_alloc'", True, "out of memory"),
        (134, "terminate called\nstd::bad_alloc\n", True, "out of memory"),
        (1, "RuntimeError: can't start new thread", True, "out of memory"),  # its stack found no place
        (-9, "", True, "out of memory"),  # killed by the kernel
        (137, "", True, "out of memory"),
    ],
)
def test_an_end_is_told_by_what_explains_it(code, said, is_limited, ending):
    assert ending_of("the training", code, said, is_limited=is_limited) == ending


@pytest.mark.parametrize(
    ("code", "said", "is_limited", "message"),
    [
        (1, "Traceback\nValueError: losses must be finite", True, "exit code 1; it said last: ValueError: losses must"),
        (-6, "free(): invalid pointer", True, "exit code -6; it said last: free"),
        (-9, "", False, "exit code -9; it said last: nothing"),  # by whom, without a limit?
        (-11, "", True, "exit code -11"),
        (42, "out of memory", True, "exit code 42"),  # told as something else by the program itself
    ],
)
def test_a_failure_that_memory_does_not_explain_proves_nothing(code, said, is_limited, message):
    with pytest.raises(DataError, match=f"the training must end or run out of memory, but ended with {message}"):
        ending_of("the training", code, said, is_limited=is_limited)


def test_what_a_process_says_last_is_what_counts():
    told = what_was_told("the training", 'WARNING\n{"num_updates":2,"first_loss":2.5,"last_loss":2.0,"peak_bytes":7}\n')

    assert told == MemoryTold(num_updates=2, first_loss=2.5, last_loss=2.0, peak_bytes=7)


@pytest.mark.parametrize(("output", "shown"), [("", "''"), ("done\n", "'done'"), ('{"num_updates": 2}', "'{\"num_up")])
def test_a_process_that_says_nothing_of_its_training_is_named(output, shown):
    with pytest.raises(
        DataError, match=f"the training must end with what it has to say, but its last line was {shown}"
    ):
        what_was_told("the training", output)


@pytest.mark.parametrize("times", [5, 10])
def test_the_data_exceed_the_limit_as_often_as_is_said(times):
    count = num_tiles_beyond(1 << 30, times)

    assert (count - 1) * DECODED_BYTES < times * (1 << 30) <= count * DECODED_BYTES


@pytest.mark.parametrize(
    ("sizes", "peaks", "slope"),
    [
        ([1, 2, 4], [7, 7, 7], 0.0),
        ([1, 2, 4], [8, 9, 11], 1.0),  # all of the data, beside what a process takes anyway
        ([0, 1, 2], [0, 3, 0], 0.0),
        ([10, 20], [5, 6], 0.1),
    ],
)
def test_growth_is_the_slope_of_a_line(sizes, peaks, slope):
    assert fitted_slope(sizes, peaks) == pytest.approx(slope)


def test_one_size_has_no_growth():
    with pytest.raises(ValueError, match=r"at least two different ones, got \[3, 3\]"):
        fitted_slope([3, 3], [1, 2])


def test_peaks_are_read_as_the_system_tells_them(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t  1234 kB\nVmRSS:\t   99 kB\n")

    assert own_peak_bytes(status) == 1234 * 1024
    assert own_peak_bytes(tmp_path / "none") == 0
    assert available_bytes(status) == 0
    # By another process, because memory that this one has freed is in its peak already.
    code = (
        "from components.measuring.peak_memory import own_peak_bytes as peak; before = peak(); "
        "held = bytearray(b'x') * (64 << 20); print(peak() - before)"
    )
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert grown == pytest.approx(64 << 20, rel=0.1)


@pytest.mark.parametrize(
    ("below", "limit_file", "swap_file", "swap"),
    [
        ("memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "1000"),
        ("", "memory.max", "memory.swap.max", "0"),
    ],
    ids=["v1", "v2"],
)
def test_a_control_group_is_made_and_removed(tmp_path, monkeypatch, below, limit_file, swap_file, swap):
    parent = tmp_path / below
    parent.mkdir(exist_ok=True)
    real_mkdir, real_rmdir, seen = type(parent).mkdir, type(parent).rmdir, {}

    def mkdir(path, *args, **more):
        real_mkdir(path, *args, **more)
        for name in (limit_file, swap_file):  # as the kernel does
            (path / name).touch()

    def rmdir(path):
        for file in path.iterdir():
            seen[file.name] = file.read_text()
            file.unlink()
        real_rmdir(path)

    monkeypatch.setattr(type(parent), "mkdir", mkdir)
    monkeypatch.setattr(type(parent), "rmdir", rmdir)
    with memory_cgroup(1000, tmp_path) as before:
        assert before is not None
        (group,) = parent.glob("agrivision-study-*")
        assert before == ("sh", "-c", f'echo $$ > "{group}/cgroup.procs" && exec "$@"', "sh")
    assert not group.exists()
    assert seen == {limit_file: "1000", swap_file: swap}


def test_where_no_control_group_can_be_made_there_is_none(tmp_path):
    with memory_cgroup(1000, tmp_path / "absent") as before:
        assert before is None
    with memory_cgroup(1000, tmp_path) as before:  # a folder like any other
        assert before is None
    assert list(tmp_path.iterdir()) == []
