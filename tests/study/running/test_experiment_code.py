"""A part is measured anew if code changes that its experiment may come to run, and only then."""

from pathlib import Path

import pytest

from components.study.running.experiment_code import code_sha256, experiment_code
from components.study.running.registry import known_experiments

FILES = {
    "components/__init__.py": "",
    "components/room/__init__.py": "",
    "components/room/all_experiments.py": "def run():\n    from components.shared import tool\n    return tool\n",
    "components/room/program.py": "COMMAND = ['-m', 'components.workers']\n",
    "components/room/prices.yaml": "price: 1\n",
    "components/shared/__init__.py": "",
    "components/shared/tool.py": "import components.deep\n",
    "components/shared/other.py": "",
    "components/deep.py": "from components import room\n",
    "components/workers/__init__.py": "",
    "components/workers/__main__.py": "print('at work')\n",
    "components/server.py": "from components.room import all_experiments\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "measured_anew"),
    [
        ("components/room/all_experiments.py", True),
        ("components/room/program.py", True),  # of the room, and named by nothing
        ("components/room/prices.yaml", True),
        ("components/shared/tool.py", True),  # imported where the experiment runs
        ("components/shared/__init__.py", True),
        ("components/deep.py", True),  # imported by what is imported
        ("components/workers/__main__.py", True),  # started as a program
        ("components/__init__.py", True),
        ("components/shared/other.py", False),
        ("components/server.py", False),
    ],
)
def test_what_an_experiment_may_run_counts_and_nothing_else(root: Path, changed: str, measured_anew: bool) -> None:
    before = code_sha256("components.room.all_experiments", root)
    with (root / changed).open("a") as file:
        file.write("# changed\n")

    # A file is parsed once for a process, and what it names stays.
    assert (code_sha256("components.room.all_experiments", root) != before) == measured_anew


def test_a_renamed_file_counts_as_another(root: Path) -> None:
    before = code_sha256("components.room.all_experiments", root)
    (root / "components/room/program.py").rename(root / "components/room/programs.py")

    assert code_sha256("components.room.all_experiments", root) != before


def test_experiments_of_several_rooms_have_code_of_their_own() -> None:
    by_name = {each.name: experiment_code(each.name) for each in known_experiments()}

    assert by_name["formats"] == by_name["conversion"]
    assert len({by_name[name] for name in ("formats", "memory", "scale", "hybrid", "cost")}) == 5


def test_an_unknown_experiment_has_no_code() -> None:
    with pytest.raises(ValueError, match="experiment must be one of hybrid, .*, got 'none'"):
        experiment_code("none")
