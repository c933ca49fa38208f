"""A list holds all that a refusal counts, one row a line, whatever the names; and a refusal is told without it."""

import itertools
from pathlib import Path

import pytest

from components.dataset.list_file import local_list, publish_list, where_all_are
from components.dataset.temporary_database import temporary_database


def test_a_list_is_named_by_its_content_and_written_once(tmp_path: Path) -> None:
    paths = [publish_list(str(tmp_path), "bad", ("tile", "reason"), iter([("a", 1), ("b", 2)])) for _ in range(2)]
    other = publish_list(str(tmp_path), "bad", ("tile", "reason"), [("a", 1)])
    assert paths[0] == paths[1] != other
    assert (tmp_path / paths[0]).read_text() == "tile\treason\na\t1\nb\t2\n"


def test_no_name_can_add_a_row_or_a_column(tmp_path: Path) -> None:
    with local_list(("tile",), [("a\nb\tc\u202e\udce9",)]) as path:
        assert path.read_text(encoding="utf-8") == "tile\na\\nb\\tc\\u202e\\udce9\n"
        folder = path.parent
    assert not folder.exists()


@pytest.mark.parametrize("name", ["=HYPERLINK(1)/a.png", "+c0", "-d", "@e", " =f", "\uff1dg"])
def test_no_name_is_a_formula_where_a_list_is_opened_in_a_spreadsheet(tmp_path: Path, name: str) -> None:
    with local_list(("tile", "file"), [(name, "plain")]) as path:
        assert path.read_text(encoding="utf-8").splitlines()[1] == f"'{name}\tplain"


def test_a_list_may_be_longer_than_memory(tmp_path: Path) -> None:
    with temporary_database() as database:
        database.execute("CREATE TABLE numbers (number INTEGER)")
        database.executemany("INSERT INTO numbers VALUES (?)", ((number,) for number in range(100_000)))
        rows = database.execute("SELECT number FROM numbers")
        path = tmp_path / publish_list(str(tmp_path), "numbers", ("number",), rows)
    with path.open() as file:
        assert sum(1 for _ in itertools.islice(file, None)) == 100_001


def test_a_refusal_ends_with_where_all_are_or_why_they_are_not(tmp_path: Path) -> None:
    rows = [("a", "empty")]
    told = where_all_are(str(tmp_path / "data"), "bad-tiles", ("tile", "reason"), rows)
    (path,) = (tmp_path / "data" / "lists").iterdir()
    assert told == f"; all are listed in {str(path)!r}"
    assert where_all_are("", "bad-tiles", ("tile",), rows) == "; agrivision run writes the whole list to its data_root"
    (tmp_path / "file").write_text("")
    told = where_all_are(str(tmp_path / "file"), "bad-tiles", ("tile",), rows)
    assert told.startswith("; the whole list cannot be written to ")


@pytest.mark.parametrize("rows", [[], iter(())])
def test_an_empty_list_has_its_header(tmp_path: Path, rows: list) -> None:
    with local_list(("tile",), rows) as path:
        assert path.read_text() == "tile\n"
