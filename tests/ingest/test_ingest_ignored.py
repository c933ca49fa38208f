"""Ignored files are counted by reason, class and split, in little memory."""

import tracemalloc

import pytest

from components.contracts import WhyIgnored
from components.errors import DataError
from components.ignored import IgnoredTally, few_rows, ignored_line, left_out_name
from components.ingest.refusals.limit import require_few_ignored


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".DS_Store", WhyIgnored.LITTER),
        ("._a.jpg", WhyIgnored.LITTER),
        ("THUMBS.DB", WhyIgnored.LITTER),
        ("Desktop.ini", WhyIgnored.LITTER),
        ("__MACOSX", WhyIgnored.LITTER),
        (".git", WhyIgnored.HIDDEN),
        ("thumbs.db.jpg", None),
        ("a.jpg", None),
    ],
)
def test_litter_is_told_by_its_name(name, reason):
    assert left_out_name(name) is reason


def test_a_tally_is_the_same_in_any_order_and_takes_no_more_memory_for_more_files():
    forth, back = IgnoredTally(), IgnoredTally()
    for number in range(500):
        forth.add(WhyIgnored.DOCUMENT, f"c{number % 3}", "", f"{number}.txt")
        back.add(WhyIgnored.DOCUMENT, f"c{(499 - number) % 3}", "", f"{499 - number}.txt")
    assert forth.rows() == back.rows()
    assert ignored_line(forth.rows()) == "ignored: 500 x a document, not an image (e.g. 0.txt)"
    tracemalloc.start()
    for number in range(100_000):
        forth.add(WhyIgnored.NOT_READ, f"class{number % 300}", "train", f"{number}.bin")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_a_document_holds_few_rows_whatever_the_order_of_adding_and_loses_no_file():
    forth, back = IgnoredTally(), IgnoredTally()
    for number in range(5000):
        forth.add(WhyIgnored.NOT_READ, f"class{number}", "train", f"{number}.bin")
        back.add(WhyIgnored.NOT_READ, f"class{4999 - number}", "train", f"{4999 - number}.bin")
    rows = few_rows(forth.rows())
    assert rows == few_rows(back.rows())
    assert len(rows) == 1001
    assert (rows[0].class_name, rows[0].num_files) == ("", 4000)
    assert sum(row.num_files for row in rows) == 5000
    assert few_rows(rows[:1000]) == rows[:1000]  # what fits stays


def test_the_limit_holds_for_a_class_among_thousands():
    tally, taken = IgnoredTally(), {}
    for number in range(3000):
        tally.add(WhyIgnored.NOT_READ, f"class{number:04}", "", "a.bin")
        taken[f"class{number:04}"] = 100
    tally.add(WhyIgnored.NOT_READ, "weed", "", "b.bin", 90)
    taken["weed"] = 10
    with pytest.raises(DataError, match=r"90 of 100 files of the class weed under 'tiles' would be ignored, 90.0%"):
        require_few_ignored(tally.rows(), sum(taken.values()), taken, "tiles", 0.2)


def test_a_name_that_is_no_path_can_be_counted():
    tally = IgnoredTally()
    tally.add(WhyIgnored.HIDDEN, "", "", ".\udcff\x1b[2J")
    assert tally.rows()[0].examples == (".\\udcff\\x1b[2J",)
