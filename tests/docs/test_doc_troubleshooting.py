"""The error lines of docs/troubleshooting.md are those that the code writes, with the exit codes that they have."""

import ast
import re

import pytest
from doc_pages import FENCE, ROOT

from components import errors
from components.train.settings.worker_spec import WorkersFailed

TEXT = (ROOT / "docs/troubleshooting.md").read_text()
LINES = [match["text"].strip() for match in FENCE.finditer(TEXT) if match["language"] == "text"]
GAP = "\0"  # where a line differs from case to case
EXIT_CODES = {
    "SettingsError": errors.EXIT_SETTINGS,
    "DataError": errors.EXIT_DATA,
    "UnreachableError": errors.EXIT_TRY_AGAIN,
    "WorkersFailed": WorkersFailed.exit_code,
    "AgrivisionError": errors.AgrivisionError.exit_code,
}


def with_gaps(line):
    """Returns an error line with gaps for what it has in angle brackets."""
    return squeezed(re.sub(r"'?<[^<>]*>'?", GAP, line))


def squeezed(text):
    return re.sub(rf"{GAP}(\s*{GAP})*", GAP, " ".join(text.split()))


def templates():
    """Returns each text of the code with gaps, and the exit code that it is raised with, None if that is unknown."""
    found = {}
    for folder in ("components", "pipeline"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr | ast.Constant) and (text := template(node)):
                    found.setdefault(text, None)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in EXIT_CODES:
                    for text in filter(None, map(template, node.args)):
                        found[text] = EXIT_CODES[node.func.id]
    make = re.sub(r"\$\$?\((?:[^()]|\([^()]*\))*\)", GAP, (ROOT / "Makefile").read_text())
    return found | {squeezed(line): None for line in make.splitlines()}


def template(node):
    if isinstance(node, ast.Constant):
        return with_gaps(node.value) if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
    return with_gaps("".join(parts))


TEMPLATES = templates()


@pytest.mark.parametrize("line", LINES)
def test_an_error_line_is_one_that_the_code_writes(line):
    assert [text for text in TEMPLATES if with_gaps(line) in text]


@pytest.mark.parametrize("line", LINES)
def test_an_error_line_has_the_exit_code_that_the_page_says(line):
    after = TEXT.partition(line)[2].partition("```\n")[2].strip()
    stated = re.match(r"Exit (\d+)\b", after)
    codes = {code for text, code in TEMPLATES.items() if with_gaps(line) in text} - {None}

    assert not codes or codes == {int(stated[1])}


def test_there_are_enough_lines_and_none_twice():
    assert len(LINES) >= 25
    assert len(set(LINES)) == len(LINES)
