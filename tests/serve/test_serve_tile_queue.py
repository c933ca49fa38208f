"""Which of the waiting tiles a model is asked about next: in their order, and within the bounds of a batch."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from model_cards import card_of
from tile_shards import fake_record

from components.predict.pushed_model import PushedModel
from components.records.tile_pixels import TilePixels
from components.serve import served_model, tile_queue
from components.serve.metrics import ServerMetrics
from components.serve.served_model import ServedModel
from components.serve.settings import ServeSettings
from components.serve.tile_queue import TileQueue, WaitingTile

SETTINGS = ServeSettings(batch_tiles=4, batch_pixels=100)
RECORD = fake_record(1)
PIXELS = TilePixels(np.zeros((4, 4, 3), np.uint8), None, np.ones((4, 4, 1), np.uint8))
GONE = object()


def queue_of(tiles, loop, most_with_maps=2, tile=RECORD):
    """Returns a queue of tiles, each its pixels; negative if maps are wanted, GONE if nobody waits for it."""
    queue = TileQueue(SETTINGS, most_with_maps)
    for each in tiles:
        answered = loop.create_future()
        if each is GONE:
            answered.cancel()
        pixels = 1 if each is GONE else each
        queue.append(WaitingTile(tile, abs(pixels), pixels < 0, answered, 0.0))
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


@pytest.mark.parametrize(
    ("tiles", "is_small"),
    [([], True), ([10], True), ([10] * 2, True), ([1] * 3, False), ([50], True), ([51], False), ([1, -1], False)],
)
def test_a_small_batch_has_half_of_what_a_batch_may_have(loop, tiles, is_small):
    queue = queue_of(tiles, loop, tile=PIXELS)

    assert queue.is_small(queue) is is_small


def test_a_batch_with_a_file_is_not_small(loop):
    assert not TileQueue(SETTINGS, 2).is_small([*queue_of([1], loop, tile=PIXELS), *queue_of([1], loop)])


class SlowModel:
    """A model that notes how many tiles it is asked about at once, and answers after it is told to."""

    is_running, limit_seconds = True, 1.0

    def __init__(self):
        self.sizes, self.small, self.may_answer = [], [], threading.Event()

    def has(self, name):
        return False

    def arguments(self, name):
        return ("rgb", "valid_mask")

    def ask_pixels(self, name, pixels, *, is_small):
        self.small.append(is_small)
        return self.ask(name, pixels)

    def ask(self, name, images):
        self.sizes.append(len(images["rgb"]))
        if len(self.sizes) > 1:  # the first is the trial before it serves
            self.may_answer.wait(20)
        shape = len(images["rgb"]), 1
        return {
            "probabilities": np.full(shape, 0.5, np.float32),
            "predicted": np.ones(shape, bool),
            "class_names": np.full(shape, b"water", object),
        }


@pytest.fixture
def asked(monkeypatch):
    slow = SlowModel()
    monkeypatch.setattr(served_model, "asked_model", lambda *_, **__: contextlib.nullcontext(slow))
    return slow


async def started():
    """Returns a model that is asked for tiles."""
    model = ServedModel(PushedModel("models/v", card_of("v")), SETTINGS, ServerMetrics())
    await model.start()
    return model


def test_what_comes_while_the_model_works_waits_together_and_a_full_batch_is_sent_ahead(asked):
    async def ask():
        model = await started()
        waiting = []
        for _ in range(3):  # later than a tile waits for others
            waiting.append(asyncio.create_task(model.answer([RECORD], [1])))
            await asyncio.sleep(0.1)
        before = [*asked.sizes]
        waiting += [asyncio.create_task(model.answer([RECORD], [1])) for _ in range(2)]
        await asyncio.sleep(0.1)
        ahead = [*asked.sizes]
        waiting.append(asyncio.create_task(model.answer([RECORD], [1])))
        asked.may_answer.set()
        await asyncio.gather(*waiting)
        await model.end()
        return before, ahead

    before, ahead = asyncio.run(ask())

    assert before == [1, 1]  # two wait while the model works
    assert ahead == [1, 1, 4]  # four are a full batch
    assert asked.sizes == [1, 1, 4, 1]


def test_a_small_batch_is_sent_beside_a_small_one(asked):
    async def ask():
        model = await started()
        waiting = []
        for num_tiles in (1, 2, 1):
            waiting.append(asyncio.create_task(model.answer([PIXELS] * num_tiles, [1] * num_tiles)))
            await asyncio.sleep(0.1)
        before = [*asked.sizes]
        asked.may_answer.set()
        await asyncio.gather(*waiting)
        asked.may_answer.clear()
        waiting = [asyncio.create_task(model.answer([PIXELS] * 3, [1] * 3))]
        await asyncio.sleep(0.1)
        waiting.append(asyncio.create_task(model.answer([PIXELS], [1])))
        await asyncio.sleep(0.1)
        beside_large = [*asked.sizes[4:]]
        asked.may_answer.set()
        await asyncio.gather(*waiting)
        await model.end()
        return before, beside_large

    before, beside_large = asyncio.run(ask())

    assert before == [1, 1, 2]  # the third has no thread
    assert beside_large == [3]  # nothing is sent beside what is not small
    assert asked.sizes == [1, 1, 2, 1, 3, 1]
    assert asked.small == [True, True, True, False, True]
