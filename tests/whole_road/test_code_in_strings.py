"""Code for another process or a pod is text in a test: what it imports must exist, or it fails only over there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("components", "pipeline", "agrivision_kfp")


def file_of(module: str) -> Path | None:
    path = ROOT / Path(*module.split("."))
    return next((found for found in (path / "__init__.py", path.with_suffix(".py")) if found.is_file()), None)


def exists(module: str, name: str) -> bool:
    """Whether `from module import name` finds something, told from files alone."""
    if file_of(f"{module}.{name}"):
        return True
    if (path := file_of(module)) is None:
        return False
    defined: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            defined |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
    return name in defined


def missing(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            yield from (f"{node.module}.{a.name}" for a in node.names if not exists(node.module, a.name))
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in OURS and file_of(a.name) is None)


def programs(path: Path) -> Iterator[str]:
    """Yields the texts of a file that are Python and import something."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value:
            try:
                ast.parse(node.value)
            except SyntaxError:  # prose, or a part of a program
                continue
            yield node.value


@pytest.mark.parametrize("folder", ["tests", "bench", "faults"])
def test_what_code_in_strings_imports_exists(folder: str) -> None:
    found = [
        (path, code)
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != Path(__file__)
        for code in programs(path)
    ]
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path, code in found for name in missing(code)]
    assert wrong == []


def test_such_code_is_found_and_checked() -> None:
    assert "import sys; from components.storage import s3; s3._files().rmtree(sys.argv[1])" in list(
        programs(ROOT / "tests/support/on_cluster/kubeflow_s3.py")
    )
    assert list(missing("from components import s3\nimport pipeline.nothing")) == ["components.s3", "pipeline.nothing"]
    assert list(missing("from components.storage import s3, read_bytes\nimport components.errors, sys")) == []
