"""ARCHITECTURE.md is kept true."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()


def _modules():
    for folder in ("components", "pipeline"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name != "__init__.py":
                yield path.relative_to(ROOT)


def test_the_tree_names_every_file_under_its_folder_and_no_other():
    folder, listed = "", set()
    for line in TEXT.split("## The tree")[1].split("```")[1].splitlines():
        if match := re.fullmatch(r"(\S+)/", line):
            folder = match[1]
        elif match := re.match(r"  (\S+\.py) ", line):
            listed.add(Path(folder) / match[1])

    assert listed == set(_modules())


def test_every_path_in_the_table_of_changes_exists():
    table = TEXT.split("## Where to change what")[1]
    paths = re.findall(r"`([\w./]+/[\w./]+)`", table)

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_module_says_what_it_is_for():
    assert [path for path in _modules() if not ast.get_docstring(ast.parse((ROOT / path).read_text()))] == []
