"""A model that answers what no model of its card can has broken down: nobody waits for it, or is told nonsense."""

import asyncio
import contextlib

import msgspec
import numpy as np
import pytest
from model_cards import card_of
from tile_shards import fake_record

from components.errors import DataError
from components.predict.pushed_model import PushedModel
from components.serve import served_model
from components.serve.metrics import ServerMetrics
from components.serve.refusal import Refusal
from components.serve.served_model import ServedModel
from components.serve.settings import ServeSettings


class FakeAsked:
    """A model that answers the first tile well, with which a server tries it, and the next as it is told."""

    is_running, limit_seconds = True, 1.0

    def __init__(self, then):
        self._answers = [self.good, then]

    def has(self, name):
        return name == "maps"

    def arguments(self, name):
        return ("rgb", "valid_mask")

    def ask(self, name, images):
        answer = self._answers.pop(0)
        return answer(len(images["rgb"]))

    @staticmethod
    def good(num_tiles):
        shape = num_tiles, 1
        return {
            "probabilities": np.full(shape, 0.5, np.float32),
            "predicted": np.ones(shape, bool),
            "class_names": np.full(shape, b"water", object),
            "maps": np.full((num_tiles, 4, 4, 1), 0.5, np.float32),
        }


def fails(num_tiles):
    raise RuntimeError("a defect")


@pytest.mark.parametrize(
    ("then", "why"),
    [
        (fails, "RuntimeError: a defect"),
        (lambda n: FakeAsked.good(n) | {"class_names": np.full((n, 1), b"<b>fire", object)}, "names other classes"),
        (lambda n: FakeAsked.good(n) | {"class_names": np.full((n, 1), b"\xff", object)}, "names other classes"),
        (lambda n: FakeAsked.good(n) | {"predicted": np.ones((n, 2), bool)}, "must answer predicted for 1 classes"),
        (lambda n: FakeAsked.good(n) | {"probabilities": np.full((n, 1), np.nan, np.float32)}, "are not finite"),
        (lambda n: FakeAsked.good(n) | {"maps": np.full((n, 4, 4, 1), 1.5, np.float32)}, "not between 0 and 1"),
        (lambda n: FakeAsked.good(n) | {"maps": np.full((n, 4, 4, 1), np.inf, np.float32)}, "maps are not finite"),
        (lambda n: FakeAsked.good(n) | {"maps": np.zeros((n, 200, 200, 1), np.float32)}, "maps of 200x200 places"),
        (lambda n: FakeAsked.good(n) | {"maps": np.zeros((n, 4, 4, 2), np.float32)}, "must answer float32"),
    ],
    ids=["a defect", "other names", "no text", "another shape", "not a number", *("maps of it",) * 4],
)
def test_who_asks_a_model_that_breaks_down_gets_503_at_once(monkeypatch, then, why):
    fake = FakeAsked(then)
    monkeypatch.setattr(served_model, "asked_model", lambda *_, **__: contextlib.nullcontext(fake))

    async def ask():
        model = ServedModel(PushedModel("models/v", card_of("v")), ServeSettings(), ServerMetrics())
        await model.start()
        try:
            async with asyncio.timeout(10):
                await model.answer([fake_record(1)], [48 * 48], with_maps=True)
        finally:
            await model.end(at_once=True)
            assert model.is_broken
            assert why in model.why_broken

    with pytest.raises(Refusal, match="model v has broken down and is started anew") as refused:
        asyncio.run(ask())
    assert int(refused.value.status) == 503


def test_a_model_of_other_classes_than_its_card_is_not_served(monkeypatch):
    fake = FakeAsked(FakeAsked.good)
    fake._answers[0] = lambda n: FakeAsked.good(n) | {"class_names": np.full((n, 1), b"fire", object)}
    monkeypatch.setattr(served_model, "asked_model", lambda *_, **__: contextlib.nullcontext(fake))

    async def start():
        await ServedModel(PushedModel("models/v", card_of("v")), ServeSettings(), ServerMetrics()).start()

    with pytest.raises(DataError, match="model v names other classes than its card"):
        asyncio.run(start())


@pytest.mark.parametrize("off", [0.0, 0.1])
def test_a_model_that_answers_pixels_otherwise_than_files_is_not_served(monkeypatch, off):
    fake = FakeAsked(fails)
    fake.has = lambda name: name == "decoded"
    fake.ask_pixels = lambda name, arrays, **_: (
        FakeAsked.good(1) | {"probabilities": np.full((1, 1), 0.5 - off, np.float32)}
    )
    monkeypatch.setattr(served_model, "asked_model", lambda *_, **__: contextlib.nullcontext(fake))
    card = msgspec.structs.replace(card_of("v"), stored_px=64)

    async def start():
        model = ServedModel(PushedModel("models/v", card), ServeSettings(), ServerMetrics())
        await model.start()
        await model.end(at_once=True)

    if not off:
        asyncio.run(start())
        return
    with pytest.raises(
        DataError, match=r"model v answers the pixels of a tile 0.1 off its file, expected at most 1e-05"
    ):
        asyncio.run(start())
