"""The arithmetic of the bench, on turns whose rates are known; the peers are not needed."""

import concurrent.futures
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import ROWS
from bench.cores import started_on
from bench.pairs import BELOW, PASS, REPORTED, Side, compare, skipped, summarise, table
from bench.run_settings import Setup
from bench.serving.bentoml_rows import serve_vs_bentoml
from bench.serving.mlserver_rows import serve_vs_mlserver, serve_vs_tuned_mlserver
from components.measuring.turns import stream_turn

ROOT = Path(__file__).parents[2]


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_sides():
    rounds = [[10.0, 10.0], [50.0, 100.0], [90.0, 30.0]]  # a slow round, a disturbed one, a lucky one

    row = summarise("x", rounds, target=1.0)

    assert (row.ours, row.other, row.ratio) == (50.0, 30.0, 1.0)
    assert row.verdict == PASS


@pytest.mark.parametrize(
    ("target", "verdict"), [(0.5, PASS), (0.50001, BELOW), (None, REPORTED)], ids=["met", "missed", "no target"]
)
def test_the_verdict_follows_from_the_ratio(target, verdict):
    assert summarise("x", [[1.0, 2.0]], target).verdict == verdict


def test_the_sides_take_turns_after_a_round_that_does_not_count():
    turns = []

    def side(name):
        def turn():
            turns.append(name)
            return float(len(turns))

        return Side(name, turn)

    row = compare("x", side("a"), side("b"), num_rounds=2, target=None)

    assert [sorted(turns[start : start + 2]) for start in (0, 2, 4)] == [["a", "b"]] * 3
    first, second = row.rounds
    assert (sorted(first), sorted(second)) == ([3.0, 4.0], [5.0, 6.0])
    assert [each[0] for each in row.rounds] == [3.0 + turns[2:].index("a"), 5.0 + turns[4:].index("a")]


def test_a_turn_of_a_stream_does_not_time_what_lay_in_its_buffer():
    taken = []
    batches = (taken.append(number) for number in range(100))
    turn = stream_turn(batches, batch_size=4, num_batches=2, num_warm=3)

    assert turn() > 0
    assert len(taken) == 5


def test_json_holds_what_the_issue_asks_for():
    document = summarise("x", [[3.0, 2.0]], 1.0).as_json()

    assert (document["ours"], document["other"]) == (3.0, 2.0)
    assert document["ratio"] == 1.5
    assert document["rounds"] == [[3.0, 2.0]]
    assert json.loads(json.dumps(document)) == document


def test_a_peer_that_is_not_there_is_a_line_of_the_table_with_its_reason():
    assert "skipped: No module named 'peer'" in table([skipped("reader_vs_peer", "No module named 'peer'", 2.0)])


@pytest.mark.parametrize(
    ("row", "peer"),
    [(serve_vs_mlserver, "mlserver"), (serve_vs_tuned_mlserver, "mlserver"), (serve_vs_bentoml, "bentoml")],
)
@pytest.mark.parametrize("folder", [None, Path("/nowhere")])
def test_a_row_against_another_server_says_what_it_lacks(tmp_path, row, peer, folder):
    numbers = {"num_threads": 1, "batch_size": 1, "num_batches": 1, "num_rounds": 1, "scale_tiles": 1}
    setup = Setup(tmp_path, 1, 512, memory_tiles=(1, 1), **{peer: folder}, **numbers)

    with pytest.raises(ImportError, match=f"no --{peer} with an environment in which it is installed"):
        row(setup, 2.0)


def test_a_row_that_does_not_exist_is_refused_before_anything_is_made(tmp_path):
    arguments = ["--only", "nothing", "--folder", str(tmp_path / "tiles")]
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert not (tmp_path / "tiles").exists()


@pytest.mark.parametrize("module", sorted({where.rpartition(".")[0] for _, where, _ in ROWS}))
def test_every_row_has_its_function(module):
    functions = [where.rpartition(".")[2] for _, where, _ in ROWS if where.startswith(f"{module}.")]
    loaded = importlib.import_module(f"bench.{module}")

    assert all(callable(getattr(loaded, function)) for function in functions)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processor cores are needed")
def test_threads_of_a_reader_get_cores_of_their_own():
    own, places = os.sched_getaffinity(0), []
    other = {max(own)}

    def batches():
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                places.append(pool.submit(os.sched_getaffinity, 0).result())
                yield len(places)

    stream = started_on(other, batches())

    assert os.sched_getaffinity(0) == own
    assert list(stream) == [1, 2, 3]
    assert places == [other] * 3
