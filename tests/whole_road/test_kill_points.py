"""Processes that are killed at any moment leave nothing half done, and the next run does only what is missing.

What can be seen under data_root is compared, byte for byte, with what a run makes that nobody disturbs.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from doomed_runs import NUM_SHARDS, SIZES, Runs, forked_runs
from small_source import write_source

from components import storage
from components.dataset.audit.verify import verify_manifest

KILLED = -9


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with forked_runs() as forked:
        yield forked


def request(place: Path, data_root: Path | str, **changes: object) -> dict:
    (place / "artifacts").mkdir(parents=True, exist_ok=True)
    artifacts = str(place / "artifacts")
    defaults = {"data_root": str(data_root), "artifacts": artifacts, "num_partitions": 3, "num_threads": 2}
    return {**defaults, **changes}


def visible(data_root: Path | str) -> dict[str, bytes]:
    """Everything that a reader could come upon, by path."""
    if not storage.is_remote(str(data_root)) and not Path(data_root).is_dir():
        return {}
    paths = [file.path for file in storage.list_files(str(data_root))]
    return {path: storage.read_bytes(storage.join(str(data_root), path)) for path in paths}


def stamps(data_root: Path | str) -> dict[str, object]:
    """What changes if somebody writes a finished shard or receipt again."""
    if storage.is_remote(str(data_root)):
        files = {file.path: file.version for file in storage.list_files(str(data_root))}
        return {path: version for path, version in files.items() if path.startswith(("shards/", "receipts/"))}
    found = [path for folder in ("shards", "receipts") for path in Path(data_root).glob(f"{folder}/[!.]*")]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("source")
    write_source(root, **SIZES)
    return str(root)


@pytest.fixture(scope="module")
def undisturbed(runs: Runs, source: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """What can be seen after a run that nobody disturbs, and how many events it had."""
    place = tmp_path_factory.mktemp("undisturbed")
    ((code, num_events),) = runs.run(request(place, place / "data", source_uri=source))
    assert code == 0
    (manifest,) = (place / "data").glob("datasets/*/manifest.json")
    assert verify_manifest(str(manifest)).num_tiles == sum(SIZES.values())
    seen = visible(place / "data")
    assert sum(path.endswith(".tfrecord") for path in seen) == NUM_SHARDS
    assert num_events > 100
    return seen, num_events


def data_of(seen: dict[str, bytes]) -> dict[str, bytes]:
    """Returns what does not depend on the plan."""
    of_plan = ("inventories/", "documents/")
    return {
        path: content
        for path, content in seen.items()
        if not path.startswith(of_plan) and not path.endswith("/origin.json")
    }


def require_all_but_unfinished(data_root: Path | str, expected: dict[str, bytes]) -> None:
    """Whatever can be seen is one of the files of an undisturbed run, whole."""
    seen = visible(data_root)
    assert seen.keys() <= expected.keys()
    assert [path for path, content in seen.items() if content != expected[path]] == []


@pytest.mark.long
@pytest.mark.parametrize("num_roots", [pytest.param(2, id="quick"), pytest.param(6, id="many", marks=pytest.mark.slow)])
def test_a_run_killed_at_any_event_shows_nothing_half_done_and_the_next_goes_on(
    runs: Runs, source: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path, num_roots: int
) -> None:
    expected, num_events = undisturbed
    rng = random.Random(num_roots)
    num_killed = 0
    for root in range(num_roots):
        data_root = tmp_path / f"data-{root}"
        for _ in range(4):
            before = stamps(data_root)
            doomed = request(tmp_path, data_root, source_uri=source, die_at=rng.randrange(num_events))
            ((code, _),) = runs.run(doomed)
            assert code in (0, KILLED)
            num_killed += code == KILLED
            require_all_but_unfinished(data_root, expected)
            assert before.items() <= stamps(data_root).items()
        before = stamps(data_root)
        assert runs.run(request(tmp_path, data_root, source_uri=source))[0][0] == 0
        assert visible(data_root) == expected
        assert before.items() <= stamps(data_root).items()
    assert num_killed >= 2 * num_roots


@pytest.mark.slow
def test_runs_killed_by_the_clock_while_others_do_the_same_work_end_in_one_dataset(
    runs: Runs, source: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    expected, _ = undisturbed
    started = time.monotonic()
    runs.run(request(tmp_path, tmp_path / "alone", source_uri=source))
    seconds = 2 * (time.monotonic() - started)  # each of two takes that long
    rng = random.Random(0)
    for root in range(4):
        data_root = tmp_path / f"data-{root}"
        doomed = request(tmp_path / "a", data_root, source_uri=source, die_after=rng.uniform(0, seconds))
        other = request(tmp_path / "b", data_root, source_uri=source, num_partitions=2)
        (killed, _), (finished, _) = runs.run(doomed, other)
        assert (killed in (0, KILLED), finished) == (True, 0)
        # Each number of partitions has partition files of its own.
        assert data_of(visible(data_root)) == data_of(expected)


@pytest.mark.slow
@pytest.mark.parametrize("num_partitions", [1, 3])
def test_two_runs_at_once_end_in_one_dataset(
    runs: Runs, source: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path, num_partitions: int
) -> None:
    requests = [request(tmp_path / name, tmp_path / "data", source_uri=source) for name in ("a", "b", "c")]
    requests[1]["num_partitions"] = num_partitions
    assert [code for code, _ in runs.run(*requests)] == [0, 0, 0]
    assert data_of(visible(tmp_path / "data")) == data_of(undisturbed[0])
    manifests = {(tmp_path / name / "artifacts/manifest").read_bytes() for name in ("a", "b", "c")}
    assert len(manifests) == 1
