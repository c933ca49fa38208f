"""Each row of the tables of docs/sources.md is true: its example becomes what it says, and is seen where it says."""

import os
import re
from pathlib import Path

import pytest
from doc_pages import ROOT
from ingested import build
from tile_listing import release_files, write_files

from components.agrivision import CHALLENGE_2020
from components.contracts import Inventory, WhyIgnored
from components.errors import AgrivisionError
from components.merge.report.ignored_section import ignored_blocks

TEXT = (ROOT / "docs/sources.md").read_text()
CLASS_FOLDERS = [f"{name}/{name}{number}.jpg" for name in ("crop", "soil", "weed") for number in range(8)]
RELEASE = [
    *release_files(CHALLENGE_2020, "train", [f"{field}_0-0-512-512" for field in "ACDEFGHIJ"]),
    *release_files(CHALLENGE_2020, "val", [f"V{field}_0-0-512-512" for field in "KLMN"]),
    *(f"train/labels/waterway/{field}_0-0-512-512.png" for field in "CDE"),
    "val/labels/waterway/VK_0-0-512-512.png",
]


def rows(section: str) -> list[tuple[str, ...]]:
    text = TEXT.split(f"## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| what |")]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def put(root: Path, example: str) -> dict[str, str]:
    """Does to a source what a row's example says; returns the settings that it names."""
    (path, *others), remark = re.findall(r"`([^`]+)`", example), re.sub(r"`[^`]*`", "", example).strip(" ,")
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if remark == "removed":
        place.unlink()
    elif remark == "a folder":
        place.mkdir()
    elif remark == "a FIFO":
        os.mkfifo(place)
    elif remark == "a link":
        place.symlink_to("nowhere/at/all")
    elif remark == "a link to":
        place.symlink_to(others[0])
    else:
        assert remark in ("", "with")
        write_files(root, [path])
    return {"classes": others[0].removeprefix("INGEST_CLASSES=")} if remark == "with" else {}


def ingested(root: Path, **settings: object) -> Inventory:
    return build(str(root), root.parent / "data", max_bad_fraction=1.0, num_partitions=1, num_workers=1, **settings)


def check(root: Path, row: tuple[str, ...], capsys: pytest.CaptureFixture[str], settings: dict[str, str]) -> None:
    what, example, outcome, where = row
    outcome, _, text = outcome.partition(": ")
    if outcome == "refused":
        assert where == "log"  # step_log writes the message of an error there
        with pytest.raises(AgrivisionError, match=text):
            ingested(root, **settings)
        return
    inventory = ingested(root, **settings)
    log, page = capsys.readouterr().out, "".join(ignored_blocks(inventory)).replace("<wbr>", "")
    if outcome == "used":
        assert (inventory.ignored, inventory.rejected) == ((), ())
    elif outcome == "rejected":
        assert (len(inventory.rejected), where) == (1, "report")
        assert re.search(text, inventory.rejected[0].reason)
    elif outcome == "missing":
        assert [(each.class_name, each.split, each.num_tiles) for each in inventory.missing_masks] == [
            (text, "train", 1)
        ]
        assert f"train: {text} 1 of 9" in log
        assert "Missing masks" in page
    else:
        assert outcome == "ignored", what
        ((reason, path),) = [(each.reason, name) for each in inventory.ignored for name in each.examples]
        assert reason.text == text
        assert re.findall("`([^`]+)`", example)[0].startswith(path)  # of a hidden folder only its own name
        assert path in page
        assert (where == "log, report") is reason.is_loud or reason in (
            WhyIgnored.UNLABELLED, WhyIgnored.OTHER_CLASS, WhyIgnored.LINKED_AGAIN,  # each has a line of its own
        )  # fmt: skip
        said = {
            WhyIgnored.UNLABELLED: "set aside",
            WhyIgnored.OTHER_CLASS: "set aside",
            WhyIgnored.LINKED_AGAIN: "left out",
        }
        if where == "log, report" and reason is not WhyIgnored.UNLABELLED:  # which is in the summary
            assert said.get(reason, reason.text) in log
        assert (reason.text in log) is reason.is_loud


@pytest.mark.parametrize("row", rows("A folder per class"), ids=lambda row: row[0])
def test_a_row_on_class_folders_is_true(tmp_path, capsys, row):
    write_files(tmp_path / "tiles", CLASS_FOLDERS)
    check(tmp_path / "tiles", row, capsys, put(tmp_path / "tiles", row[1]))


@pytest.mark.parametrize("row", rows("A release"), ids=lambda row: row[0])
def test_a_row_on_releases_is_true(tmp_path, capsys, row):
    write_files(tmp_path / "tiles", RELEASE)
    check(tmp_path / "tiles", row, capsys, put(tmp_path / "tiles", row[1]))


@pytest.mark.parametrize("row", rows("The right folder"), ids=lambda row: row[0])
def test_a_row_on_the_right_folder_is_true(tmp_path, capsys, row):
    (tmp_path / "tiles").mkdir()
    examples = re.findall(r"`([^`]+)`", row[1])
    if row[2] == "used":  # too few for a split
        examples = [example.replace(".jpg", f"{number}.jpg") for example in examples for number in range(3)]
    write_files(tmp_path / "tiles", examples)
    check(tmp_path / "tiles", row, capsys, {})


def test_every_reason_has_a_row():
    outcomes = {row[2] for section in ("A folder per class", "A release") for row in rows(section)}
    assert {f"ignored: {reason.text}" for reason in WhyIgnored} <= outcomes
