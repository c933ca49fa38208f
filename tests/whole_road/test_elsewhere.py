"""A run as it comes out wherever people start it: beside other packages of our names, and in any locale."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components import environment

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "agrivision_kfp"]
# A training that is refused as soon as there is a dataset.
TOO_LARGE_BATCH = {"global_batch_size": 100_000, "epochs": 1}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The folder of another project for Kubeflow, with packages of our names that cannot even be imported."""
    for name in ("components", "pipeline"):
        (tmp_path / "theirs" / name).mkdir(parents=True)
        (tmp_path / "theirs" / name / "__init__.py").write_text("raise ImportError('theirs')\n")
    return tmp_path / "theirs"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per class, with Arabic and Turkish names, and German ones of the files."""
    folder, rng = tmp_path_factory.mktemp("source") / "it's here", np.random.default_rng(0)
    for name, red in (("حقل القمح", 60), ("çayır İı", 190)):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            pixels = np.clip(rng.normal((red, 150, 60), 20, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"Äcker über {red} {index}.jpg")
    return folder


def run(source: Path, place: Path, config: dict, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    places = {"source-uri": source, "data-root": place / "data", "models-uri": place / "m", "runs-dir": place / "runs"}
    options = [f"--{name}={value}" for name, value in places.items()]
    options += ["--train-num-workers=1", f"--train-config={json.dumps(config)}", "--gate-min-macro-f1=0"]
    path = os.pathsep.join([*([str(cwd)] if cwd != ROOT else []), str(ROOT)])
    return subprocess.run(
        [*COMMAND, "run", *options], cwd=cwd, env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True, text=True, encoding="utf-8", timeout=570,
    )  # fmt: skip


def manifests(place: Path) -> list[str]:
    return [path.parent.name for path in (place / "data").glob("datasets/*/manifest.json")]


@pytest.mark.long
def test_a_run_from_a_folder_with_components_of_its_own_ends_as_any_other(
    foreign: Path, tiles: Path, tmp_path: Path
) -> None:
    result = run(tiles, tmp_path, {"epochs": 1, "global_batch_size": 8}, cwd=foreign)
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads((tmp_path / "runs/latest/summary.json").read_text())["tiles"] == 40


def test_the_command_and_its_children_find_our_packages_first(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(foreign), str(ROOT)]))
    helped = subprocess.run([*COMMAND, "--help"], cwd=foreign, capture_output=True, text=True)
    assert helped.returncode == 0, helped.stderr
    worker = "[sys.executable, '-m', 'components.train', '--help']"
    child = subprocess.run(
        [sys.executable, "-c", f"import components, pipeline, subprocess, sys; subprocess.run({worker}, check=True)"],
        cwd=foreign, env=environment.child_environment({}), capture_output=True, text=True,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    assert "Train as one worker of a gang." in child.stdout


def turkish(encoding: str, folder: Path) -> dict[str, str]:
    """Returns the variables of a Turkish locale, made in `folder`; in it, C's upper case of "i" is no "I"."""
    made = subprocess.run(["localedef", "-i", "tr_TR", "-f", encoding, str(folder / "tr_TR")], capture_output=True)
    if made.returncode:
        pytest.skip("this system cannot make a locale")
    return {"LOCPATH": str(folder), "LC_ALL": "tr_TR"}


ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # Python would otherwise take UTF-8 for these two


@pytest.fixture(scope="module")
def usual(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The manifest of the tiles where the locale is C.UTF-8."""
    place = tmp_path_factory.mktemp("usual")
    run(tiles, place, TOO_LARGE_BATCH, LC_ALL="C.UTF-8")
    return manifests(place)


@pytest.mark.long
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", **ASCII}, "ISO-8859-9", "UTF-8"])
def test_names_are_utf_8_and_the_manifest_the_same_whatever_the_locale(tiles, usual, tmp_path, locale) -> None:
    variables = turkish(locale, tmp_path) if isinstance(locale, str) else locale
    result = run(tiles, tmp_path, TOO_LARGE_BATCH, **variables)
    assert len(usual) == 1
    assert manifests(tmp_path) == usual
    assert result.returncode == 2
    log = (tmp_path / "runs/latest").resolve() / "log.txt"
    assert result.stderr.splitlines() == [
        "agrivision: train failed: global_batch_size must be at most the number of train tiles, 24, got 100000; "
        f"its log is '{log}'"
    ]
    assert "train | failed (exit 2)" in log.read_text("utf-8"), "latest is the run that failed"
