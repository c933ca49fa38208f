"""Every test that docs/attacks.md names is there, and every row names one."""

import ast
import re

from doc_pages import ROOT

TEXT = (ROOT / "docs/attacks.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| What happened")]


def test_every_row_names_its_tests():
    assert len(ROWS) > 30
    assert [row for row in ROWS if not re.search(r"`tests/[\w/]+\.py::test_\w+` \|$", row)] == []


def test_every_test_that_is_named_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", TEXT)

    missing = []
    for file, test in named:
        path = ROOT / file
        found = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
        if test and test not in found:
            missing.append(f"{file}::{test}")
    assert missing == []
