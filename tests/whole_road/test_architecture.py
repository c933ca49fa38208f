"""ARCHITECTURE.md is kept true, and short; and so are the rooms that it names."""

import ast
import collections
import itertools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
TABLE = (ROOT / "CONTRIBUTING.md").read_text().split("## Where to change what")[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for folder in ("agrivision_kfp", "components", "pipeline")
    for path in (ROOT / folder).rglob("*.py")
)
TREES = {path: tree for path in MODULES if (tree := ast.parse((ROOT / path).read_text())).body}

# Names that several files have for one thing, with the reason.
SAME_MEANING = {
    "decode": (
        {f"components/records/{name}.py" for name in ("jpeg", "png", "tiff", "webp")},
        "from the bytes of a format to its pixels",
    ),
    "read_bytes": ({"components/storage/__init__.py", "components/storage/disk.py"}, "one kind of place does it"),
    "read_parts": ({"components/storage/__init__.py", "components/storage/disk.py"}, "one kind of place does it"),
    "list_objects": ({"components/storage/bucket.py", "components/storage/s3.py"}, "two kinds of bucket"),
    "read": ({"components/storage/bucket.py", "components/storage/s3.py"}, "two kinds of bucket"),
    "size": (
        {"components/storage/__init__.py", "components/storage/bucket.py", "components/storage/s3.py"},
        "two kinds of bucket do it",
    ),
    "list_md5": ({"components/storage/__init__.py", "components/storage/bucket.py"}, "the former calls the latter"),
    "write_report": (
        {"components/evaluate/report/page.py", "components/gate/report.py", "components/train/report.py"},
        "the HTML page of a step",
    ),
    "main": (
        {
            "agrivision_kfp/__init__.py",
            "components/push/building.py",
            "components/push/exports/converting.py",
            "components/push/exports/trying.py",
            "components/saved_model/answering.py",
            "components/train/worker/main.py",
            "pipeline/cli.py",
        },
        "what a process of its own begins with",
    ),
    "mirror": ({"components/mirror.py", "pipeline/commands/datasets.py"}, "the command is named as what it calls"),
    "rollback": (
        {"components/registry/promotion.py", "pipeline/commands/models.py"},
        "the command is named as what it calls",
    ),
    "run": ({"pipeline/commands/runs.py", "pipeline/local/run_local.py"}, "the command is named as what it calls"),
    "summary_line": (
        {"components/push/publish.py", "components/train/report.py"},
        "what came of a step, in one line for its log",
    ),
}


def test_every_room_has_its_line_and_every_line_its_room():
    section = TEXT.split("## Rooms")[1].split("```")[1]
    listed = [line.split("/ ", 1) for line in section.strip().splitlines()]
    rooms = {str(path.parent) for path in TREES}

    assert sorted(room for room, _ in listed) == sorted(rooms)
    assert [room for room, line in listed if len(line.strip()) < 20] == []


def test_no_room_has_more_files_than_one_person_keeps_in_mind():
    tests = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py")]
    counts = collections.Counter(str(path.parent) for path in [*MODULES, *tests] if path.name != "__init__.py")

    assert {room: count for room, count in counts.items() if count > 20} == {}


def test_every_module_says_what_it_is_for():
    assert [str(path) for path, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_a_public_name_means_one_thing():
    found = collections.defaultdict(set)
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                found[node.name].add(str(path))
    twice = {name: places for name, places in found.items() if len(places) > 1}

    assert twice == {name: places for name, (places, _) in SAME_MEANING.items()}


def test_the_table_of_changes_leads_to_what_exists():
    rows = TABLE.strip().splitlines()[2:]
    paths = [re.findall(r"`([\w.]+/[\w./-]*)`", row) for row in rows]

    assert [row for row, named in zip(rows, paths, strict=True) if not named] == []
    assert [path for path in itertools.chain(*paths) if not (ROOT / path).exists()] == []


def test_every_path_of_our_code_in_the_text_exists():
    named = re.findall(r"`((?:components|pipeline|tests|bench|faults)/[\w./-]*)`", TEXT + TABLE)

    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_it_is_short():
    # Beside the rooms, which have a line each.
    rooms = TEXT.split("## Rooms")[1].split("```")[1].strip().splitlines()

    assert len(TEXT.splitlines()) - len(rooms) <= 90
