"""Which code the numbers of an experiment follow from: its room, and all of the project that it may come to run.

Comments count, too: a number of other code would be wrong, and to measure again costs minutes. But a change of the
server or of another experiment must not cost the hour that all of them take.
"""

import ast
import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from components.study.running.registry import experiment_modules, experiments_of

_ROOT = Path(__file__).parents[3]
_MODULE = re.compile(r"components(?:\.[a-z_][a-z0-9_]*)+")


@functools.cache
def experiment_code(name: str, root: Path = _ROOT) -> str:
    """Returns the sha256 of the code that an experiment may use.

    Raises:
      ValueError: if there is no such experiment.
    """
    module_of = {each.name: module for module in experiment_modules() for each in experiments_of(module)}
    if name not in module_of:
        raise ValueError(f"experiment must be one of {', '.join(module_of)}, got {name!r}")
    return code_sha256(module_of[name], root)


def code_sha256(module: str, root: Path = _ROOT) -> str:
    """Returns the sha256 of the package of a module, and of all modules of components/ that it names, and so on.

    A module is named by an import, wherever that stands, or by a text, as programs are that others start. YAML files
    beside a module count as well, since they hold what code reads, such as prices.
    """
    digest = hashlib.sha256()
    for path in sorted(_files(module, root)):
        digest.update(f"{path.relative_to(root).as_posix()}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()


def _files(module: str, root: Path) -> set[Path]:
    room = root.joinpath(*module.split(".")[:-1])
    found, waiting = set[Path](), sorted(room.glob("*.py"))
    while waiting:
        path = waiting.pop()
        if path not in found:
            found |= {path, *path.parent.glob("*.yaml")}
            waiting += [file for name in _named(path) for file in _files_of(name, root)]
    return found


@functools.cache
def _named(path: Path) -> tuple[str, ...]:
    """Returns the dotted names in a file that may be modules."""
    return tuple(dict.fromkeys(_names(ast.parse(path.read_bytes()))))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            yield node.value


def _files_of(name: str, root: Path) -> Iterator[Path]:
    """Yields the files that are run if a module is imported or started: its own, and __init__ of all around it."""
    if not _MODULE.fullmatch(name):
        return
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        folder = root.joinpath(*parts[:length])
        own = [folder / "__main__.py"] if length == len(parts) else []
        yield from (path for path in (folder / "__init__.py", folder.with_suffix(".py"), *own) if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
