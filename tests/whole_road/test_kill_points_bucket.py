"""test_kill_points and worse on a bucket: killed runs, runs at once, and connections that break all the while.

The tests need a gs:// server: STORAGE_EMULATOR_HOST and what its client needs.
"""

import contextlib
import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cutting_proxy import CuttingProxy
from doomed_runs import SIZES, Runs, forked_runs
from gcs_faults import plant
from made_bucket import make_bucket
from small_source import write_source
from test_kill_points import KILLED, data_of, request, require_all_but_unfinished, stamps, visible

from components import storage
from components.dataset.audit.verify import verify_manifest

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.slow,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with forked_runs() as forked:
        yield forked


@pytest.fixture(scope="module")
def bucket() -> str:

    name = f"kill-{uuid.uuid4().hex}"  # its own, as planted faults meet whoever comes first
    make_bucket(name)
    return name


@pytest.fixture(scope="module")
def source(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("source")
    write_source(root, **SIZES)
    for file in storage.list_files(str(root)):
        storage.write_bytes(f"gs://{bucket}/source/{file.path}", (root / file.path).read_bytes())
    return f"gs://{bucket}/source"


@pytest.fixture(scope="module")
def undisturbed(
    runs: Runs, source: str, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], int]:
    """What can be seen after a run that nobody disturbs, and how many events it had."""
    data_root = f"gs://{bucket}/undisturbed"
    ((code, num_events),) = runs.run(request(tmp_path_factory.mktemp("undisturbed"), data_root, source_uri=source))
    assert code == 0
    seen = visible(data_root)
    (manifest,) = (path for path in seen if path.endswith("/manifest.json"))
    assert verify_manifest(f"{data_root}/{manifest}").num_tiles == sum(SIZES.values())
    return seen, num_events


@pytest.mark.long
def test_a_killed_run_shows_nothing_half_done_and_the_next_goes_on(
    runs: Runs, source: str, bucket: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    expected, num_events = undisturbed
    rng = random.Random(1)
    data_root = f"gs://{bucket}/killed"
    codes = []
    for _ in range(5):
        before = stamps(data_root)
        doomed = request(tmp_path, data_root, source_uri=source, die_at=rng.randrange(num_events))
        codes.append(runs.run(doomed)[0][0])
        require_all_but_unfinished(data_root, expected)
        assert before.items() <= stamps(data_root).items()
    assert set(codes) <= {0, KILLED}
    assert codes.count(KILLED) >= 2
    before = stamps(data_root)
    assert runs.run(request(tmp_path, data_root, source_uri=source))[0][0] == 0
    assert visible(data_root) == expected
    assert before.items() <= stamps(data_root).items()


@pytest.mark.long
def test_two_runs_at_once_end_in_one_dataset(
    runs: Runs, source: str, bucket: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    data_root = f"gs://{bucket}/twins"
    requests = [request(tmp_path / name, data_root, source_uri=source) for name in ("a", "b")]
    requests[1]["num_partitions"] = 2
    assert [code for code, _ in runs.run(*requests)] == [0, 0]
    assert data_of(visible(data_root)) == data_of(undisturbed[0])


@pytest.mark.long
def test_connections_that_are_reset_all_the_while_change_nothing(
    runs: Runs, source: str, bucket: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    data_root = f"gs://{bucket}/reset"
    proxy = CuttingProxy(seed=0, num_cuts=20, max_bytes=30_000)
    with contextlib.closing(proxy):
        environment = {"HTTPS_PROXY": proxy.address, "https_proxy": proxy.address}
        ((code, _),) = runs.run(request(tmp_path, data_root, source_uri=source, environment=environment))
    assert code == 0
    assert proxy.num_cuts  # how many it comes to depends on how often connections are used again
    assert visible(data_root) == undisturbed[0]


@pytest.mark.long
def test_a_server_that_refuses_stalls_and_breaks_off_changes_nothing(
    runs: Runs, source: str, bucket: str, undisturbed: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    data_root = f"gs://{bucket}/faults"
    faults = [
        {"match": f"/b/{bucket}/o?", "times": 1, "status": 503},  # the listing
        {"match": f"/b/{bucket}/o?", "times": 1, "cut": 300},
        {"match": f"/download/storage/v1/b/{bucket}/o/source%2Ftrain", "times": 2, "status": 429},
        {"match": f"/download/storage/v1/b/{bucket}/o/source%2Ftrain", "times": 3, "cut": 200},
        {"match": f"/download/storage/v1/b/{bucket}/o/source%2Fval", "times": 1, "seconds": 2},
        {"match": f"/upload/storage/v1/b/{bucket}/", "times": 3, "status": 503},
        {"match": f"/upload/storage/v1/b/{bucket}/", "times": 3, "cut": 10},  # written, but its answer is lost
    ]
    plant(*faults)
    try:
        ((code, _),) = runs.run(request(tmp_path, data_root, source_uri=source))
    finally:
        plant()
    assert code == 0
    assert visible(data_root) == undisturbed[0]
