"""Tiles are asked in batches: one that the model refuses costs no other its answer, and few are held at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tile_folders import tile_folder
from tile_shards import BANDS, fake_record

from components.predict import asking
from components.predict.asking import answers
from components.predict.pushed_model import find_model
from components.predict.tile_files import TileFiles, asked_tiles
from components.saved_model.asking import AskedModel, CannotAnswer

pytestmark = pytest.mark.usefixtures("models_here")


def test_a_tile_that_the_model_refuses_costs_no_other_its_answer(
    pushed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = tile_folder(tmp_path)
    refused, ask = fake_record(2001).rgb, AskedModel.ask

    def refuses(self: AskedModel, function: str, images):
        if refused in images["rgb"]:
            raise CannotAnswer("InvalidArgumentError: too dark")
        return ask(self, function, images)

    monkeypatch.setattr(AskedModel, "ask", refuses)
    with asked_tiles([str(tiles)], {}, print) as asked:
        first, second = answers(find_model(str(pushed.rgb_nir)), asked.tiles)

    assert first.problem == f"model {pushed.version} cannot answer it: InvalidArgumentError: too dark"
    assert [each.answer for each in second.classes] == ["no", "yes", "yes"]


def test_ten_thousand_tiles_are_asked_in_batches_and_never_held_all_at_once(
    pushed, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked_tiles([], {"rgb": [str(odd / "rgb.jpg")], "nir": [str(odd / "nir.jpg")]}, print) as asked:
        (one,) = asked.tiles
    num_taken = 0

    def many() -> Iterator[TileFiles]:
        nonlocal num_taken
        for number in range(10_000):
            num_taken += 1
            yield TileFiles(str(number), one.files)

    sizes = []

    def replies(_asked, _model, records, _with_maps):
        sizes.append(len(records))
        return [((), None)] * len(records)

    record = asking.checked_record(one, asking.checks_of(BANDS))
    monkeypatch.setattr(asking, "checked_record", lambda *_: record)
    monkeypatch.setattr(asking, "_ask", replies)
    most_ahead = 0
    for number, answer in enumerate(answers(find_model(str(pushed.rgb_nir)), many())):
        assert answer.tile == str(number)
        most_ahead = max(most_ahead, num_taken - number)

    assert (num_taken, set(sizes)) == (10_000, {32, 10_000 % 32})
    assert most_ahead < 200
