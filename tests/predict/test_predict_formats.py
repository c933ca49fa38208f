"""The answers in a spreadsheet and in programs, whatever is in their names."""

import csv
import io
import json

import msgspec
import pytest

from components.contracts import ModelCard
from components.predict.asking import ClassAnswer, TileAnswer
from components.predict.formats import csv_header, csv_row, json_line, text_line, text_table
from components.predict.pushed_model import PushedModel
from components.registry import CARD


def model_of(pushed, *classes: str) -> PushedModel:
    card = ModelCard.read(pushed.version_dir / CARD)
    return PushedModel("models", msgspec.structs.replace(card, classes=classes, thresholds=(0.5,) * len(classes)))


def answer_of(tile: str, *names: str, problem: str = "") -> TileAnswer:
    return TileAnswer(tile, tuple(ClassAnswer(name, 0.75, 0.5, "yes") for name in names), problem)


def cells(line: str) -> list[str]:
    (row,) = csv.reader(io.StringIO(line, newline=""))
    return row


def test_a_row_has_a_column_for_each_class_and_kind(pushed) -> None:
    model = model_of(pushed, "water", "weed")

    assert cells(csv_header(model)) == [
        *("tile", "found", "not_sure", "problem"),
        *("water_probability", "water_threshold", "water_answer"),
        *("weed_probability", "weed_threshold", "weed_answer"),
        "model",
    ]
    row = cells(csv_row(answer_of("a", "water", "weed"), model))
    assert row == ["a", "water; weed", "", "", *("0.750000", "0.500000", "yes") * 2, pushed.version]
    assert cells(csv_row(TileAnswer("b", problem="gone"), model)) == ["b", "", "", "gone", *[""] * 6, pushed.version]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "=cmd|' /C calc'!A0", "\uff1d1"]
)
def test_no_cell_is_a_formula(pushed, text: str) -> None:
    model = model_of(pushed, text)
    answer = answer_of(text, text, problem=text)

    for line in (csv_header(model), csv_row(answer, model)):
        for cell in cells(line):
            assert not cell.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert cells(csv_row(answer, model))[0].startswith("'")


@pytest.mark.parametrize("text", ['a"b', "a,b", "a;b", "a\nb", "a\x1b[2J", "Äcker", "\u202e", "caf\udce9"])
def test_any_name_is_one_cell_of_one_line_in_utf_8(pushed, text: str) -> None:
    line = csv_row(answer_of(text, text), model_of(pushed, text))

    assert line.count("\n") == 1
    assert line.endswith("\r\n")
    assert line.encode()
    assert "\x1b" not in line
    assert len(cells(line)) == 8


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2J", "Äcker", "caf\udce9", '"'])
def test_any_name_is_one_line_of_json_and_of_text(pushed, text: str) -> None:
    line = json_line(answer_of(text, problem=text), model_of(pushed, "water"))

    assert "\n" not in line
    assert json.loads(line)["tile"] == text.replace("\udce9", "\\udce9")
    for shown in (text_line(answer_of(text, text)), *text_table(answer_of("", text))):
        assert shown.isprintable()


def test_a_tile_with_nothing_names_what_was_nearest_to_its_threshold() -> None:
    answers = (ClassAnswer("water", 0.3, 0.9, "no"), ClassAnswer("weed", 0.2, 0.4, "no"))

    assert text_line(TileAnswer("a", answers)) == "a: none; nearest is weed 0.200 (threshold 0.400)"


def test_what_the_thresholds_do_not_decide_has_none() -> None:
    answers = (ClassAnswer("water", 0.3, None, "no"), ClassAnswer("weed", 0.7, None, "yes"))

    assert text_line(TileAnswer("a", answers)) == "a: weed 0.700"
    assert text_table(TileAnswer("a", answers))[2].split() == ["weed", "0.700", "-", "-", "yes"]


UNSURE = TileAnswer(
    "a",
    (
        ClassAnswer("water", 0.3, 0.9, "not sure", 0.1),
        ClassAnswer("weed", 0.35, 0.4, "not sure", 0.0),
        ClassAnswer("drydown", 0.05, 0.4, "no", 0.1),
    ),
)


def test_what_a_model_is_not_sure_of_is_named_the_nearest_first() -> None:
    in_words = "not sure: weed 0.350 (threshold 0.400), water 0.300 (threshold 0.900)"
    assert text_line(UNSURE) == f"a: none; {in_words}"
    found = TileAnswer("a", (ClassAnswer("soil", 0.8, 0.5, "yes", 0.1), *UNSURE.classes))
    assert text_line(found) == f"a: soil 0.800 (threshold 0.500); {in_words}"


def test_a_line_names_three_classes_that_a_model_is_not_sure_of() -> None:
    answers = tuple(ClassAnswer(f"class{number}", number / 10, 0.9, "not sure", 0.0) for number in range(6))

    line = text_line(TileAnswer("a", answers))

    assert line.startswith("a: none; not sure: class5 0.500 (threshold 0.900), class4 0.400 (threshold 0.900), class3 ")
    assert line.endswith(" and 3 more")


def test_not_sure_is_an_answer_in_every_format(pushed) -> None:
    model = model_of(pushed, "water", "weed", "drydown")

    row = cells(csv_row(UNSURE, model))
    assert row[:4] == ["a", "", "water; weed", ""]
    assert row[6::3] == ["not sure", "not sure", "no"]
    classes = json.loads(json_line(UNSURE, model))["classes"]
    assert [(each["answer"], each["no_below"]) for each in classes] == [
        ("not sure", 0.1),
        ("not sure", 0.0),
        ("no", 0.1),
    ]
    assert text_table(UNSURE)[1].split() == ["water", "0.300", "0.900", "0.100", "not", "sure"]
