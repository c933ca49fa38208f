"""What data holds can neither steer the terminal nor vanish from it: names of classes, reasons, the output of a run."""

import io
import json
import sys

import msgspec
import pytest
from rich.console import Console

from components.contracts import DenseScores
from components.errors import DataError
from components.progress import parse_line
from pipeline import cli
from pipeline.display import Display
from pipeline.local.summary import Metrics, Summary, print_summary, write_summary
from pipeline.local.watch import run_and_watch
from pipeline.parameters import Parameters
from pipeline.terminal import say

pytestmark = pytest.mark.hostile

PLAIN = ["[red]soy", "[/]", ":corn:", "co$\\frac{rn$"]
HOSTILE = [*PLAIN, "\x1b[2Jgone", "\x9b31mred", "a\u202eb", "x\ny", "caf\udce9"]
SHOWN = [*PLAIN, r"\x1b[2Jgone", r"\x9b31mred", r"a\u202eb", r"x\ny", r"caf\udce9"]


def terminal() -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, force_terminal=True, no_color=True, width=200), screen


def summary(names):
    scores = dict.fromkeys(("precision", "recall", "f1", "average_precision", "support"), 0.5)
    return Summary(
        tiles=1,
        rejected_tiles=0,
        shards=1,
        manifest_sha256="0" * 64,
        metrics=Metrics(
            macro_f1=0.5,
            map=0.5,
            macro_roc_auc=0.5,
            per_class=dict.fromkeys(names, scores),
            intervals={},
            class_intervals={},
        ),
        decision="refuse",
        outcome="not_better",
        gate={},
        reason=f"no support for {names[4]}",
        model_version=None,
        model_uri="/models/\x1b]0;title\x07",
        reports={"data": "/runs/\u202e/data.html"},
        step_seconds={"ingest": 1.0},
        total_seconds=1.0,
    )


def test_the_table_of_a_run_shows_every_name_as_it_is_but_for_what_steers():
    console, screen = terminal()
    print_summary(console, summary(HOSTILE))

    text = screen.getvalue()
    for name in SHOWN:
        assert f" {name} " in text
    assert r"no support for \x1b[2Jgone" in text
    assert r"/models/\x1b]0;title\x07" in text
    assert r"/runs/\u202e/data.html" in text
    assert [each for each in ("\x1b[2J", "\x1b]", "\x9b", "\u202e", "\x07", "\udce9") if each in text] == []


def test_the_score_of_maps_is_told_where_there_is_one(tmp_path):
    found = summary([*PLAIN, "corn"])
    console, screen = terminal()
    print_summary(console, found)
    assert "mean IoU" not in screen.getvalue()
    dense = DenseScores(
        mean_iou=0.7123,
        interval=(0.65, 0.78),
        background_iou=0.9,
        class_iou={"corn": 0.5},
        thresholds=(0.4,),
        num_pixels=1_000,
    )
    found = msgspec.structs.replace(found, metrics=msgspec.structs.replace(found.metrics, dense=dense))
    print_summary(console, found)
    assert "maps               mean IoU 0.712 [0.650, 0.780] over the pixels of the test tiles" in screen.getvalue()
    (tmp_path / "run").mkdir()
    write_summary(tmp_path / "run", found)
    written = json.loads((tmp_path / "run" / "summary.json").read_text())["metrics"]["dense"]
    assert (written["mean_iou"], written["class_iou"], written["thresholds"]) == (0.7123, {"corn": 0.5}, [0.4])


def test_the_summary_for_scripts_keeps_names_as_they_are(tmp_path):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    write_summary(run_dir, summary(HOSTILE))

    assert list(json.loads((run_dir / "summary.json").read_text())["metrics"]["per_class"]) == HOSTILE


def test_the_live_table_shows_lines_as_they_are_but_for_what_steers(monkeypatch):
    console, screen = terminal()
    monkeypatch.setattr(sys, "stdout", type("", (io.StringIO,), {"isatty": lambda self: True})())
    with Display(console) as display:
        display.show(parse_line("ingest | [red]soy[/] :corn: \x1b[2J\u202e"))
        console.print(display._table())

    assert r"[red]soy[/] :corn: \x1b[2J\u202e" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bad tile '\x1b[2J'", r"bad tile '\x1b[2J'"),
        ("bad tile 'a\nagrivision: all is well\u202e\udce9'", r"bad tile 'a\nagrivision: all is well\u202e\udce9'"),
    ],
)
def test_an_error_is_one_line_whatever_it_names(monkeypatch, capsys, text, shown):
    def fail():
        raise DataError(text)

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit, match=r"^42$"):
        cli.main()

    assert capsys.readouterr().err == f"agrivision: {shown}\n"


def test_what_a_command_says_keeps_its_lines(capsys):
    say("2 classes:\n  corn\x1b[2J\n  [red]soy")

    assert capsys.readouterr().out == "2 classes:\n  corn\\x1b[2J\n  [red]soy\n"


def test_the_end_of_the_log_of_a_run_that_broke_cannot_steer_either(monkeypatch, tmp_path, capsys):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nprintf 'a library says \\033[2J\\nand ends\\n'\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(sys, "argv", ["agrivision"])

    def run():
        parameters = Parameters(source_uri="s", data_root=str(tmp_path / "d"), models_uri=str(tmp_path / "m"))
        run_and_watch(parameters, tmp_path / "runs", terminal()[0])

    monkeypatch.setattr(cli, "app", run)
    with pytest.raises(SystemExit, match=r"^1$"):
        cli.main()

    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [r"a library says \x1b[2J", "and ends"]
    assert lines[2].startswith("agrivision: the run ended with exit code 3, after these last lines of its log, '")
