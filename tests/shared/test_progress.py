import errno
import time

import pytest

from components.errors import DataError, SettingsError
from components.progress import Line, Progress, StepLog, parse_line, said_again, step_log


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ingest | started\n", Line("ingest", "started", "started")),
        ("shard 12 | 3/4 tiles, 2 tiles/s", Line("shard 12", "progress", "3/4 tiles, 2 tiles/s")),
        ("merge | done in 1.5 s: 4 shards", Line("merge", "done", "4 shards", seconds=1.5)),
        ("    gate | done in 0.0 s\n", Line("gate", "done", "")),  # kfp.local indents
        ("train | failed (exit 42): loss is NaN", Line("train", "failed", "loss is NaN", exit_code=42)),
        ("train | epoch 1/3 | a bar in the text", Line("train", "progress", "epoch 1/3 | a bar in the text")),
        ("WARNING: something a library says", None),
        ("Shard | capital letters are not a step's", None),
        ("", None),
    ],
)
def test_lines_are_read_back(text, line):
    assert parse_line(text) == line


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("text", "line"),
    [
        # Other programs write these lines, too: a worker that has been taken over, and a pod's log has what it likes.
        ("train | \x1b]0;title\x07 epoch", Line("train", "progress", r"\x1b]0;title\x07 epoch")),
        ("train | done in 1.0 s: \u202egood", Line("train", "done", r"\u202egood", seconds=1.0)),
        ("train | failed (exit 42): \x9b2J", Line("train", "failed", r"\x9b2J", exit_code=42)),
        ("train | done in 1.2.3 s", Line("train", "progress", "done in 1.2.3 s")),
        ("train | done in ٣ s", Line("train", "progress", "done in ٣ s")),
        (f"train | done in {'9' * 400} s", Line("train", "progress", f"done in {'9' * 400} s")),  # infinite
        (f"train | failed (exit {'9' * 5000}): x", Line("train", "progress", f"failed (exit {'9' * 5000}): x")),
        ("train | failed (exit 0): x", Line("train", "progress", "failed (exit 0): x")),
        (f"train {'9' * 5000} | started", None),
    ],
)
def test_a_line_that_was_made_to_mislead_is_read_as_mere_text(text, line):
    assert parse_line(text) == line


@pytest.mark.hostile
def test_what_a_name_holds_cannot_steer_the_terminal(capsys):
    def work():
        with step_log("ingest") as log:
            log.line("bad tile 'a\x1b[2J\udce9\n  gate | done in 0.0 s: push'")
            raise DataError("no label for 'b\u202e\x9b'")

    with pytest.raises(SystemExit, match=r"^42$"):
        work()

    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "ingest | started",
        r"ingest | bad tile 'a\x1b[2J\udce9 gate | done in 0.0 s: push'",
        r"ingest | failed (exit 42): no label for 'b\u202e\x9b'",
        "",
        ">",
        r"> no label for 'b\u202e\x9b'",
    ]


@pytest.mark.hostile
def test_what_is_said_again_is_never_a_line_of_the_protocol():
    padding = "x" * 71
    message = f"no {padding} gate | done in 0.0 s: push; gate | started; expected one of gate | failed (exit 2): x"

    assert any("gate | done" in line for line in said_again(message))
    assert [parse_line(line) for line in said_again(message)] == [None] * len(said_again(message))


def test_a_failure_is_said_again_within_80_characters_with_names_last():
    names = ", ".join(f"name_{i}" for i in range(40))

    lines = said_again(f"unknown colour 'bleu' (did you mean 'blue'?); expected one of {names}; it is a key of paint")

    assert all(len(line) <= 74 for line in lines)
    assert lines[:5] == [
        *("", ">", "> unknown colour 'bleu' (did you mean 'blue'?)", "> It is a key of paint"),
        "> Expected one of name_0, name_1, name_2, name_3, name_4, name_5, name_6,",
    ]


def last_line(capsys):
    return [line for line in map(parse_line, capsys.readouterr().out.splitlines()) if line][-1]


def test_a_step_that_works_leaves_a_first_and_a_last_line(capsys):
    with step_log("shard 1") as log:
        log.line("half\n  way")  # a message of several lines stays one line
        log.summary = "4 tiles"

    lines = [parse_line(text) for text in capsys.readouterr().out.splitlines()]

    assert [line.kind for line in lines] == ["started", "progress", "done"]
    assert [line.text for line in lines] == ["started", "half way", "4 tiles"]


@pytest.mark.parametrize(("error", "code"), [(DataError("no tiles"), 42), (SettingsError("no epochs"), 2)])
def test_a_users_error_is_one_line_and_its_exit_code(capsys, error, code):
    with pytest.raises(SystemExit, match=f"^{code}$"), step_log("ingest"):
        raise error

    last = last_line(capsys)
    assert (last.kind, last.exit_code, last.text) == ("failed", code, str(error))


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/shards/x.tfrecord"),
            42,
            "under '/data/shards': No space left on device; free some space there",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 42, "to the disk: Disk quota exceeded; free some space there"),
        (
            OSError(errno.EROFS, "Read-only file system", "/data/x"),
            2,
            "under '/data': Read-only file system; make it writable",
        ),
    ],
)
def test_a_disk_that_takes_no_more_is_one_line(capsys, error, code, text):
    with pytest.raises(SystemExit, match=rf"^{code}$"), step_log("merge"):
        raise error

    last = last_line(capsys)
    assert last.text == f"cannot write {text}, and run again"


def test_a_file_without_the_right_to_it_is_one_line(capsys):
    with pytest.raises(SystemExit, match=r"^2$"), step_log("merge"):
        raise PermissionError(errno.EACCES, "Permission denied", "/data/x")

    last = last_line(capsys)
    assert last.text == "no access to '/data/x': Permission denied; give this user the right, and run again"


def test_a_defect_keeps_its_traceback(capsys):
    with pytest.raises(ZeroDivisionError, match="division by zero"), step_log("gate"):
        _ = 1 / 0

    assert "failed (exit 1): ZeroDivisionError" in capsys.readouterr().out


def test_progress_is_rare_and_its_last_line_complete(capsys):
    progress = Progress(StepLog("shard 0"), total=1000, interval_seconds=3600)
    for _ in range(1000):
        progress.advance()

    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 1
    assert lines[0] == "shard 0 | 1,000/1,000 tiles"  # which took no time that could be measured


def test_the_rate_leaves_out_the_start_up(capsys):
    progress = Progress(StepLog("shard 0"), total=3, interval_seconds=0.0)
    time.sleep(0.8)  # an import, say
    progress.advance()
    time.sleep(0.6)
    progress.advance()

    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("shard 0 | 2/3 tiles, 2 tiles/s, ETA 0:00:0")  # 1 tile in 0.6 s, not 2 in 1.4 s


@pytest.mark.parametrize(
    ("total", "steps", "expected"),
    [
        (20, [(0, 20)], "20/20 tiles"),  # all at once: no rate
        (20, [(0, 10), (0.01, 10)], "20/20 tiles"),  # too short for one
        (20, [(0, 10), (2, 6)], "16/20 tiles, 3 tiles/s, ETA 0:00:01"),
        (20, [(0, 10), (2, 10)], "20/20 tiles, 5 tiles/s"),  # none is left to wait for
        (20, [(0, 1), (60, 2)], "3/20 tiles, 30 s each, ETA 0:08:30"),
        (None, [(0, 10), (2, 10)], "20 tiles, 5 tiles/s"),
    ],
)
def test_a_rate_is_told_only_if_it_was_measured(capsys, monkeypatch, total, steps, expected):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(StepLog("shard 0"), total=total, interval_seconds=0.0)
    for seconds, count in steps:
        now[0] += seconds
        progress.advance(count)
    assert capsys.readouterr().out.splitlines()[-1] == f"shard 0 | {expected}"
