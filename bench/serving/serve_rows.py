"""The server of tiles: against its own model, its latency under load, its memory, and its start."""

import itertools
import statistics
import time
from collections.abc import Iterator
from typing import Any

from bench.pairs import BELOW, PASS, REPORTED, Row, Side
from bench.run_settings import Setup
from bench.serving.server_under_test import ServerUnderTest, body_of, served_model
from bench.sides import compare
from components.measuring.turns import Turn
from components.records.shard_records import records_of
from components.records.tile_record import Record

_REAL = "resnet50", 224  # as in real use
DEMO = "small", 128  # as in the demo, whose model decodes a JPEG at a quarter of its size
BATCH_TILES = 16  # the server's default
NUM_CLIENTS = 48
_LOAD, _MOST_P99 = 0.8, 3.0
_MOST_MB = 800.0
_SPLIT = "test"


def serve_vs_model(setup: Setup, target: float | None) -> Row:
    """Tiles/s of the server against those of its SavedModel, with a backbone of real use."""
    return _against_model("serve_vs_model", setup, target, *_REAL, num_tiles=setup.num_tiles // 4)


def serve_small_vs_model(setup: Setup, target: float | None) -> Row:
    """The same with the backbone of the demo, which takes less time than decoding a tile."""
    return _against_model("serve_small_vs_model", setup, target, *DEMO, num_tiles=setup.num_tiles)


def _against_model(name: str, setup: Setup, target: float | None, backbone: str, size_px: int, num_tiles: int) -> Row:
    import starlette  # noqa: F401  # the row is skipped without the extra

    what = f"{backbone} at {size_px} px, JPEG in"
    served_model(setup, backbone, size_px)
    return compare(
        name,
        Side(
            f"agrivision serve, {NUM_CLIENTS} clients that ask for one tile each as soon as they are answered; {what}",
            served_side(setup, backbone, size_px, num_tiles),
        ),
        Side(
            f"the SavedModel's signature in its own process, batches of {BATCH_TILES}; {what}",
            _model(setup, backbone, size_px, num_tiles),
        ),
        setup,
        target,
    )


def tiles_of(setup: Setup) -> Iterator[Record]:
    """Yields the tiles of the split, again and again."""
    manifest = setup.dataset.manifest
    shards = manifest.splits[_SPLIT].shards
    tiles = [tile for shard in shards for tile in records_of(str(setup.dataset.root), shard, len(manifest.classes))]
    return itertools.cycle(tiles)


def served_side(setup: Setup, backbone: str, size_px: int, num_tiles: int) -> Turn:
    """Returns a turn of the server, whose clients are in this process."""
    made: list[Any] = []

    def turn() -> float:
        if not made:
            made.append(ServerUnderTest(served_model(setup, backbone, size_px)))
            made.append([body_of(tile) for tile in itertools.islice(tiles_of(setup), num_tiles)])
        server, requests = made
        return server.closed_loop(requests, NUM_CLIENTS)

    return turn


def _model(setup: Setup, backbone: str, size_px: int, num_tiles: int) -> Turn:
    made: list[Any] = []

    def turn() -> float:
        import tensorflow as tf

        if not made:
            made.append(tf.saved_model.load(str(served_model(setup, backbone, size_px))))
            made.append(list(itertools.islice(tiles_of(setup), num_tiles)))
        model, tiles = made
        answer = model.signatures["masked"]
        start = time.perf_counter()
        for first in range(0, num_tiles, BATCH_TILES):
            batch = tiles[first : first + BATCH_TILES]
            images = {
                name: tf.constant([getattr(each, name) for each in batch]) for name in ("rgb", "nir", "valid_mask")
            }
            answer(**images)["probabilities"].numpy()
        return num_tiles / (time.perf_counter() - start)

    return turn


def serve_p99_vs_p50(setup: Setup, target: float | None) -> Row:
    """How far the slowest answers are from the usual one, at 80 % of what the server can do.

    A machine that pauses for a tenth of a second delays some 20 tiles, so one pause decides the 99th percentile of a
    round, and the median of the rounds is what is typical. Each has a rate of its own, taken right before: the same
    tiles/s are another load when the machine becomes slower.
    """
    import starlette  # noqa: F401

    server = ServerUnderTest(served_model(setup, *_REAL))
    requests = [body_of(tile) for tile in itertools.islice(tiles_of(setup), setup.num_tiles)]
    few = requests[: setup.num_tiles // 4]
    server.closed_loop(few, NUM_CLIENTS)
    rounds = []
    for _ in range(setup.num_rounds):
        rate = server.closed_loop(few, NUM_CLIENTS)
        p50, *_, p99 = statistics.quantiles(server.paced(requests, _LOAD * rate), n=100)[49:]
        rounds.append({"rate": rate, "p50": p50, "p99": p99})
    server.close()
    apart = [each["p99"] / each["p50"] for each in rounds]
    ratio = _MOST_P99 / statistics.median(apart)
    rate = statistics.median(each["rate"] for each in rounds)
    return Row(
        name="serve_p99_vs_p50",
        verdict=_verdict(ratio, target),
        ours=1000 * statistics.median(each["p99"] for each in rounds),
        other=1000 * statistics.median(each["p50"] for each in rounds),
        ratio=ratio,
        unit="ms",
        target=target,
        ours_is=f"99th percentile of {len(requests)} answers at {_LOAD:.0%} of {rate:.1f} tiles/s, evenly paced; may "
        f"be {_MOST_P99:g} times the median",
        other_is="the median",
        note=f"p99 / p50 = {statistics.median(apart):.2f}, in {len(apart)} rounds {min(apart):.2f} to {max(apart):.2f}",
        details={"rounds_in_seconds": rounds},
    )


def serve_memory(setup: Setup, target: float | None) -> Row:
    """Memory of both processes with the backbone of the demo, after some load; and the time from start to ready."""
    import starlette  # noqa: F401

    server = ServerUnderTest(served_model(setup, *DEMO))
    before = sum(server.memory_mb())
    requests = [body_of(tile) for tile in itertools.islice(tiles_of(setup), setup.num_tiles)]
    server.closed_loop(requests, NUM_CLIENTS)
    own, model = server.memory_mb()
    server.close()
    ratio = _MOST_MB / (own + model)
    return Row(
        name="serve_memory",
        verdict=_verdict(ratio, target),
        ours=own + model,
        other=server.seconds_to_ready,
        ratio=ratio,
        unit="MB, s",
        target=target,
        ours_is=f"memory of the server, {own:,.0f} MB, and of its model's process, {model:,.0f} MB, after "
        f"{len(requests):,} tiles; may be {_MOST_MB:,.0f} MB",
        other_is="from its start until it answers",
        note=f"{before:,.0f} MB before the first tile; ready in {server.seconds_to_ready:.1f} s",
    )


def _verdict(ratio: float, target: float | None) -> str:
    return REPORTED if target is None else PASS if ratio >= target else BELOW
