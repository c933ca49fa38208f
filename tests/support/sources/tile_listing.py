"""Sources as ingest sees them: names and sizes. It reads no pixels, so the files hold none."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, PAPER_2020, SPLITS, SUPERVISED_2021
from components.contracts import PlannedShard, Rejection, SourceFile, SourceTile
from components.dataset.temporary_database import temporary_database
from components.ingest.class_folders import ClassFolderPairing
from components.ingest.layouts import FolderCount
from components.ingest.listing import Listing
from components.ingest.pairing import Pairing, ReleasePairing
from components.ingest.partition_files import write_partitions
from components.ingest.planner import Deal, num_shards, sizes_of
from components.ingest.splits import assign_splits
from components.ingest.tile_table import TileTable
from components.progress import Progress, StepLog
from components.source_digest import SourceDigest

RELEASE_LABELS = {PAPER_2020: "drydown", CHALLENGE_2020: "standing_water", SUPERVISED_2021: "drydown"}


def tile_name(field_id: str, number: int) -> str:
    return f"{field_id}_{number * 100}-0-{number * 100 + 512}-512"


def release_files(layout: str, place: str, names: list[str], labelled: bool = True) -> list[str]:
    """Returns the paths of complete tiles.

    Args:
      place: The split folder, or for the paper release the folder of the year.
      labelled: Whether each has a label file, of one class.
    """
    paper = layout == PAPER_2020
    images, boundaries, masks, labels = (
        ("field_images", "field_bounds", "field_masks", "field_labels")
        if paper
        else ("images", "boundaries", "masks", "labels")
    )
    files = []
    for name in names:
        files += [f"{place}/{images}/rgb/{name}.jpg", f"{place}/{images}/nir/{name}.jpg"]
        files += [f"{place}/{boundaries}/{name}.png", f"{place}/{masks}/{name}.png"]
        if labelled:
            files.append(f"{place}/{labels}/{RELEASE_LABELS[layout]}/{name}.png")
    return files


def listing(paths: list[str], num_bytes: int = 1000) -> list[SourceFile]:
    return [SourceFile(path, num_bytes, "1") for path in paths]


def write_files(root: Path, paths: list[str]) -> str:
    """Writes a small file for each path, and returns the source_uri."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return str(root)


def fake_tile(field_id: str, number: int, split: str = "", num_bytes: int = 200_000) -> SourceTile:
    name = tile_name(field_id, number)
    return SourceTile(
        tile_id=name, field_id=field_id, split=split, shard=0, rgb=SourceFile(f"rgb/{name}.jpg", num_bytes, "1")
    )


@contextlib.contextmanager
def listed(paths: list[str]) -> Iterator[Listing]:
    """Yields what ingest knows of these files after it has listed them."""
    with temporary_database() as database:
        found = Listing(database)
        found.add(listing(paths), "/source", Progress(StepLog("ingest"), None))
        yield found


def folders_of(paths: list[str]) -> dict[str, FolderCount]:
    with listed(paths) as found:
        return found.folders


@dataclasses.dataclass
class Paired:
    """The outcome of a pairing, tiles by the path of their image."""

    tiles: list[SourceTile]
    rejected: list[Rejection]
    classes: tuple[str, ...]
    num_unlabelled: int
    left_aside: Mapping[str, int]


def pair(
    paths: list[str],
    layout: str,
    official: dict[str, str] | None = None,
    classes: tuple[str, ...] = (),
    source_uri: str = "/source",
) -> Paired:
    """Pairs files; `official` has splits by tile or field name."""
    with listed(paths) as found:
        if official:
            found.state_splits(official.items(), "splits.json")
        pairing: Pairing
        if layout == CLASS_FOLDERS:
            pairing = ClassFolderPairing(found.folders, classes, source_uri)
        else:
            pairing = ReleasePairing(found.folders, layout, found.has_splits, source_uri, classes)
        paired = [each for group in found.groups() for each in pairing.pair(group)]
    tiles = sorted((each for each in paired if isinstance(each, SourceTile)), key=lambda tile: tile.rgb.path)
    rejected = [each for each in paired if isinstance(each, Rejection)]
    return Paired(tiles, rejected, pairing.classes, pairing.num_unlabelled, pairing.left_aside)


@contextlib.contextmanager
def tile_table(tiles: list[SourceTile], seed: int = 0, tile_size_px: int = 0) -> Iterator[TileTable]:
    """Yields a table of the tiles, each added as a group of its own."""
    with temporary_database() as database:
        table = TileTable(database, seed, tile_size_px)
        for tile in sorted(tiles, key=lambda tile: tile.tile_id):
            table.add([tile])
        table.finish()
        yield table


def with_splits(
    tiles: list[SourceTile], seed: int = 0, val_percent: int = 20, test_percent: int = 20
) -> tuple[list[SourceTile], str]:
    """Returns the tiles with the split of their field, in their order, and where it is from."""
    with tile_table(tiles, seed) as table:
        split_of, origin = assign_splits(table, val_percent, test_percent, "/source")
        rows = table.database.execute("SELECT field, line FROM tiles JOIN lines USING (number)")
        split_by_name = {
            msgspec.json.decode(table.unpacked(line))["tile_id"]: SPLITS[split_of[field]] for field, line in rows
        }
    return [msgspec.structs.replace(tile, split=split_by_name[tile.tile_id]) for tile in tiles], origin


def filled_shards(
    tiles: list[SourceTile],
    folder: Path,
    *,
    seed: int = 0,
    shard_size_mb: int = 64,
    num_workers: int = 2,
    num_partitions: int = 1,
    **recipe: object,
) -> list[list[tuple[PlannedShard, list[SourceTile]]]]:
    """Returns the shards of each partition, with their tiles as the partition files have them."""
    with tile_table(tiles, seed, recipe["tile_size_px"]) as table:
        split_of, _ = assign_splits(table, 20, 20, "/source")
        sizes = sizes_of(table, split_of)
        counts = {split: num_shards(split, *sizes[split], shard_size_mb, num_workers) for split in SPLITS}
        deal = Deal(table, split_of, counts, num_partitions)
        progress = Progress(StepLog("ingest"), None)
        partitions = write_partitions(table, deal, functools.partial(SourceDigest, **recipe), str(folder), progress)
    shares = []
    for partition in partitions:
        lines = iter((folder / partition.path).read_bytes().splitlines())
        shares.append(
            [
                (shard, [msgspec.json.decode(next(lines), type=SourceTile) for _ in range(shard.num_tiles)])
                for shard in partition.shards
            ]
        )
        assert next(lines, None) is None
    return shares
