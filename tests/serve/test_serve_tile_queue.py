"""Which of the waiting tiles a model is asked about next: in their order, and within the bounds of a batch."""

import asyncio

import pytest
from tile_shards import fake_record

from components.serve import tile_queue
from components.serve.settings import ServeSettings
from components.serve.tile_queue import TileQueue, WaitingTile

SETTINGS = ServeSettings(batch_tiles=4, batch_pixels=100)
RECORD = fake_record(1)
GONE = object()


def queue_of(tiles, loop, most_with_maps=2):
    """Returns a queue of tiles, each its pixels; negative if maps are wanted, GONE if nobody waits for it."""
    queue = TileQueue(SETTINGS, most_with_maps)
    for tile in tiles:
        answered = loop.create_future()
        if tile is GONE:
            answered.cancel()
        pixels = 1 if tile is GONE else tile
        queue.append(WaitingTile(RECORD, abs(pixels), pixels < 0, answered, 0.0))
    return queue


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.mark.parametrize(
    ("tiles", "is_enough", "batches"),
    [
        ([], False, [[]]),
        ([10] * 3, False, [[10] * 3]),
        ([10] * 4, True, [[10] * 4]),
        ([10] * 6, True, [[10] * 4, [10] * 2]),
        ([60, 60, 60], True, [[60], [60], [60]]),
        ([60, 40, 1], True, [[60, 40], [1]]),
        ([1_000, 1], True, [[1_000], [1]]),  # a tile beyond the bound is asked about alone
        ([1, 1_000, 1], True, [[1], [1_000], [1]]),
        ([-1, -1, -1], True, [[1, 1], [1]]),
        ([1, 1, -1, 1], True, [[1, 1], [1], [1]]),  # who wants maps is answered apart
        ([GONE, 10, GONE, 20], True, [[10, 20]]),
    ],
)
def test_batches_keep_the_order_and_the_bounds(loop, tiles, is_enough, batches):
    queue = queue_of(tiles, loop)

    assert queue.is_enough() is is_enough
    assert [[each.num_pixels for each in queue.take()] for _ in batches] == batches
    assert len(queue) == 0


def test_a_batch_is_bounded_in_bytes_too(loop, monkeypatch):
    queue = queue_of([1] * 4, loop)
    monkeypatch.setattr(tile_queue, "_MOST_BATCH_BYTES", 2 * queue[0].num_bytes)

    assert [len(queue.take()) for _ in range(3)] == [2, 2, 0]


def test_those_who_have_gone_are_forgotten(loop):
    queue = queue_of([GONE, GONE, 5, GONE], loop)
    queue.forget_the_gone()

    assert [each.num_pixels for each in queue] == [5, 1]
