"""Tiles that were left out are shown as far as there is something to see, whatever is wrong with their bytes."""

from pathlib import Path

import pytest
from small_source import encoded, noise, rectangle, write_file

from components.agrivision import CHALLENGE_2020
from components.contracts import Inventory, Rejection, SourceTile
from components.dataset.first_sorted import Rejections
from components.merge.report.quarantine import quarantine_blocks, shown_rejections


def inventory_of(source: Path) -> Inventory:
    values: dict = dict.fromkeys(("num_tiles", "num_fields", "num_unlabelled", "seed"), 0)
    values |= {"classes": (), "bands": (), "fingerprint": "", "partitions": (), "split_origin": "official"}
    return Inventory(
        source_uri=str(source), layout=CHALLENGE_2020, min_class_fraction=0.0, max_bad_fraction=0.0, **values
    )  # fmt: skip


def tallied(rejected: list[Rejection]) -> Rejections:
    rejections = Rejections()
    rejections.add(rejected)
    return rejections


GOOD = encoded(noise(0, 3), "JPEG")
GREY_MASK = encoded(noise(1, 1), "PNG")


@pytest.mark.parametrize(
    ("rgb", "mask", "reason", "captions"),
    [
        (GOOD[: len(GOOD) * 9 // 10], b"", "rgb: damaged or truncated", ["rgb"]),  # the rows that are there
        (GOOD, GREY_MASK, "mask: expected the values 0 and 255, got 7", ["rgb", "mask"]),
        (GOOD, b"text", "mask: not a readable PNG or TIFF file", ["rgb"]),
        (b"", b"", "rgb: empty file (0 bytes)", []),
        (b"\xff\xd8\xff" + bytes(100), b"", "rgb: not a readable JPEG, PNG, TIFF or WebP file", []),
        (
            encoded(rectangle(0, 0, 9, 9), "GIF"),
            b"",
            "rgb: a GIF file, which is not read; expected JPEG, PNG, TIFF or WebP",
            [],
        ),
    ],
)
def test_a_picture_is_shown_where_one_can_be_decoded(tmp_path: Path, rgb, mask, reason, captions) -> None:
    tile = SourceTile(
        tile_id="A_0-0-64-64",
        field_id="A",
        split="train",
        shard=0,
        rgb=write_file(tmp_path, "rgb.jpg", rgb),
        mask=write_file(tmp_path, "mask.png", mask),
    )
    bad = Rejection(tile.tile_id, reason)
    html = "".join(quarantine_blocks(tallied([bad]), inventory_of(tmp_path), {tile.tile_id: tile}))
    assert html.count("<img") == len(captions)
    for role in captions:
        assert f"<figcaption>{role} of A_0-0-64-64: {reason}" in html
    assert quarantine_blocks(tallied([bad]), inventory_of(tmp_path), {}) == []  # ingest could not pair its files
    (tmp_path / "rgb.jpg").unlink()
    assert "rgb of" not in "".join(quarantine_blocks(tallied([bad]), inventory_of(tmp_path), {tile.tile_id: tile}))


def test_a_few_of_each_reason_are_shown_the_most_frequent_first():
    rejected = [Rejection(f"tile-{number:03}", f"reason {number % 20}") for number in range(100)]
    rejected += [Rejection(f"more-{number}", "reason 7") for number in range(3)]
    shown = shown_rejections(tallied(rejected))
    assert [bad.tile_id for bad in shown[:4]] == ["more-0", "more-1", "tile-000", "tile-020"]
    assert len(shown) == 12
    assert shown_rejections(tallied(rejected[::-1])) == shown
    assert shown_rejections(tallied([])) == []
