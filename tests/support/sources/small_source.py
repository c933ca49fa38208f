"""A small source folder and its inventory, made by hand: tiles of 64 px, two classes, four bands."""

import io
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image, ImageFilter

from components.agrivision import BANDS, CHALLENGE_2020, SPLITS
from components.contracts import Inventory, Partition, PlannedShard, Rejection, SourceFile, SourceTile
from components.source_digest import SourceDigest

CLASSES = ("drydown", "weed_cluster")
SIZE_PX = 64


def noise(seed: int, num_bands: int, size: int = SIZE_PX) -> Image.Image:
    shape = (size, size, num_bands) if num_bands > 1 else (size, size)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))


def rectangle(x1: int, y1: int, x2: int, y2: int, size: int = SIZE_PX) -> Image.Image:
    """A mask with 255 inside the rectangle."""
    pixels = np.zeros((size, size), np.uint8)
    pixels[y1:y2, x1:x2] = 255
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write_file(root: Path, path: str, content: bytes) -> SourceFile:
    """Writes a source file, and lists it as ingest would."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return SourceFile(path, len(content), "1")


def write_tile(root: Path, number: int, split: str, shard: int) -> SourceTile:
    """A good tile. A field has three. All have drydown, every second weed_cluster; every third leaves the field."""
    field_id = f"{split.upper()}{number // 3}"
    name = f"{field_id}_{64 * number}-0-{64 * number + 64}-64"
    seed = 1000 * SPLITS.index(split) + number
    weed = rectangle(8, 8, 40, 24) if number % 2 else rectangle(0, 0, 0, 0)
    boundary = rectangle(0, 0, 43, 64) if number % 3 == 0 else rectangle(0, 0, 64, 64)
    return SourceTile(
        tile_id=name,
        field_id=field_id,
        split=split,
        shard=shard,
        rgb=write_file(root, f"{split}/images/rgb/{name}.jpg", encoded(noise(seed, 3), "JPEG")),
        nir=write_file(root, f"{split}/images/nir/{name}.jpg", encoded(noise(seed + 500, 1), "JPEG")),
        boundary=write_file(root, f"{split}/boundaries/{name}.png", encoded(boundary, "PNG")),
        mask=write_file(root, f"{split}/masks/{name}.png", encoded(rectangle(0, 0, 64, 64), "PNG")),
        labels={
            "drydown": write_file(
                root, f"{split}/labels/drydown/{name}.png", encoded(rectangle(0, 32, 20 + number, 64), "PNG")
            ),
            "weed_cluster": write_file(root, f"{split}/labels/weed_cluster/{name}.png", encoded(weed, "PNG")),
        },
    )


def write_source(
    root: Path, train: int = 12, val: int = 4, test: int = 4, tiles_per_shard: int = 4
) -> list[SourceTile]:
    """Writes good tiles, and returns them by (split, shard)."""
    counts = {"train": train, "val": val, "test": test}
    return [
        write_tile(root, number, split, number // tiles_per_shard)
        for split, count in counts.items()
        for number in range(count)
    ]


def plan(
    source_uri: Path | str,
    data_root: Path,
    tiles: list[SourceTile],
    num_partitions: int = 1,
    name: str = "by-hand",
    classes: tuple[str, ...] = CLASSES,
    bands: tuple[str, ...] = BANDS,
    layout: str = CHALLENGE_2020,
    min_class_fraction: float = 0.0,
    tile_size_px: int = 0,
    max_16_bit: int = 65_535,
    label_masks: bool = False,
    max_bad_fraction: float = 0.5,
    rejected: tuple[Rejection, ...] = (),
) -> Path:
    """Writes the partition files and the inventory; returns the path of the inventory."""
    groups: dict[tuple[str, int], list[SourceTile]] = {}
    for tile in tiles:
        groups.setdefault((tile.split, tile.shard), []).append(tile)
    partitions = []
    for index in range(num_partitions):
        shards, lines = [], []
        for (split, shard), group in list(groups.items())[index::num_partitions]:
            digest = SourceDigest(
                layout=layout,
                classes=classes,
                bands=bands,
                min_class_fraction=min_class_fraction,
                tile_size_px=tile_size_px,
                max_16_bit=max_16_bit,
                label_masks=label_masks,
            )
            for tile in group:
                digest.add(tile)
            size = sum(tile.rgb.num_bytes for tile in group)
            shards.append(
                PlannedShard(
                    split=split, index=shard, num_tiles=len(group), num_bytes=size, source_digest=digest.hexdigest()
                )
            )
            lines += [msgspec.json.encode(tile) + b"\n" for tile in group]
        path = f"inventories/{name}/partition-{index:05}.jsonl"
        write_file(data_root, path, b"".join(lines))
        partitions.append(Partition(index=index, path=path, num_tiles=len(lines), shards=tuple(shards)))
    inventory = Inventory(
        source_uri=str(source_uri),
        layout=layout,
        classes=classes,
        bands=bands,
        seed=7,
        split_origin="official",
        fingerprint="f" * 64,
        num_tiles=len(tiles),
        num_fields=len({tile.field_id for tile in tiles}),
        num_unlabelled=0,
        min_class_fraction=min_class_fraction,
        max_bad_fraction=max_bad_fraction,
        tile_size_px=tile_size_px,
        max_16_bit=max_16_bit,
        label_masks=label_masks,
        partitions=tuple(partitions),
        rejected=rejected,
    )
    inventory_path = data_root / "inventories" / name / "inventory.json"
    inventory.write(inventory_path)
    return inventory_path
