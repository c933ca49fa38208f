"""What may be as many as tiles is counted, and only the first of it is kept."""

import random

import pytest

from components.contracts import Rejection
from components.dataset.first_sorted import FirstSorted, Rejections


@pytest.mark.parametrize("num_items", [0, 1, 9, 10, 11, 1000])
def test_the_first_in_sorted_order_are_kept_whatever_the_order_in_which_they_come(num_items: int) -> None:
    items = list(range(num_items))
    random.Random(num_items).shuffle(items)
    kept: FirstSorted[int] = FirstSorted(limit=10)
    for start in range(0, num_items, 7):
        kept.add(items[start : start + 7])
    assert kept.first() == tuple(range(num_items))[:10]
    assert kept.num_items == num_items
    assert len(kept._kept) <= 10  # nothing else is held


def test_rejections_are_counted_by_reason_with_the_first_names() -> None:
    rejections = Rejections()
    rejections.add(Rejection(f"tile-{number:05}", f"reason {number % 2}") for number in range(5001, 0, -1))
    rejections.add([Rejection("tile-00000", "another")])
    assert len(rejections) == 5002
    assert [bad.tile_id for bad in rejections.first()] == [f"tile-{number:05}" for number in range(1000)]
    assert [(reason.text, reason.num_tiles, reason.examples) for reason in rejections.reasons()] == [
        ("reason 1", 2501, ["tile-00001", "tile-00003", "tile-00005"]),
        ("reason 0", 2500, ["tile-00002", "tile-00004", "tile-00006"]),
        ("another", 1, ["tile-00000"]),
    ]


def test_a_reason_of_its_own_for_each_tile_does_not_fill_the_memory() -> None:
    rejections = Rejections()
    rejections.add(Rejection(f"tile-{number:05}", f"reason {number}") for number in range(3000))
    assert len(rejections) == sum(reason.num_tiles for reason in rejections.reasons()) == 3000
    assert len(rejections.reasons()) == 1001
    assert rejections.reasons()[0].text == "another reason"
