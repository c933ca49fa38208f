"""The dataset of all measurements: synthetic tiles of 512 px, sharded by the project's own stages."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.agrivision import PAPER_2020
from components.contracts import Inventory, Manifest, SourceTile
from components.dataset.partition import planned_tiles
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.records import tfrecords
from components.shard.writer import shard_partition
from components.synth.dataset import write_dataset
from components.train.input.order import train_plan
from components.train.input.reader import Batch, Reader
from components.train.input.shard_index import ShardIndex, index_split

_EPOCHS = 1000  # more than any run reads


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A sharded dataset under `root`, and the folder of its source tiles."""

    source: Path
    root: Path
    manifest: Manifest

    def tiles(self) -> list[SourceTile]:
        """Returns the source's tiles, in the order of the shards."""
        inventory = Inventory.read(str(self.root / "inventory.json"))
        return [tile for part in inventory.partitions for tile in planned_tiles(str(self.root), part, SourceTile)]

    def files(self) -> list[tuple[Path, Path]]:
        """Returns the RGB and NIR file of each tile."""
        return [(self.source / tile.rgb.path, self.source / tile.nir.path) for tile in self.tiles() if tile.nir]

    def files_of(self, role: str) -> list[Path]:
        """Returns the file with the role "rgb", "nir", "boundary" or "mask" of each tile that has one."""
        return [self.source / file.path for tile in self.tiles() if (file := getattr(tile, role))]

    @property
    def shard_paths(self) -> list[str]:
        """The TFRecord files of the train split."""
        return [str(self.root / shard.path) for shard in self.manifest.splits["train"].shards]

    def index(self) -> ShardIndex:
        """Indexes the train split."""
        train = self.manifest.splits["train"]
        return index_split(str(self.root), train, len(self.manifest.classes), single_label=False)

    def records(self, num_tiles: int) -> list[tuple[bytes, bytes]]:
        """Returns the rgb and nir bytes of the first tiles of the train split, as in the shards."""
        index = self.index()
        chosen = [index.read(record % len(index)) for record in range(num_tiles)]
        parsed = tfrecords.parse(chosen, len(self.manifest.classes))
        return list(zip(parsed["rgb"].numpy().tolist(), parsed["nir"].numpy().tolist(), strict=True))

    def reader(self, num_threads: int, image_size_px: int) -> Reader:
        """Returns the reader that training uses, on the train split."""
        return Reader(
            index=self.index(),
            bands=self.manifest.bands,
            num_classes=len(self.manifest.classes),
            image_size_px=image_size_px,
            ratio=tfrecords.decoder_ratio(list(self.manifest.tile_sizes), image_size_px),
            num_threads=num_threads,
        )

    def batches(
        self, num_threads: int, image_size_px: int, batch_size: int, worker: int = 0, num_workers: int = 1
    ) -> Iterator[Batch]:
        """Yields a worker's part of the batches, endlessly, with a new order each epoch."""
        reader = self.reader(num_threads, image_size_px)
        num_records = len(reader.index)
        plan: NDArray[np.int64] = np.concatenate(
            [train_plan(num_records, batch_size, worker, num_workers, 0, epoch) for epoch in range(_EPOCHS)]
        )
        for _, batch in reader.batches(plan):
            yield batch


def tile_size_px(manifest: Manifest) -> int:
    """Returns the side of the tiles, which all have the same size."""
    (size,) = manifest.tile_sizes
    return int(size.split("x")[0])


def make_source(folder: Path, num_tiles: int, size_px: int) -> Path:
    """Returns a folder of tiles; draws them if it does not exist."""
    source = folder / f"tiles-{num_tiles}-{size_px}"
    if not source.exists():
        write_dataset(source, layout=PAPER_2020, num_tiles=num_tiles, seed=0, tile_size_px=size_px)
    return source


def ingest(
    source: Path, root: Path, num_partitions: int = 1, stored_size_px: int = 0, label_masks: bool = False
) -> str:
    """Ingests `source` and returns the path of the inventory."""
    path = root / "inventory.json"
    settings = IngestSettings(
        num_workers=2, num_partitions=num_partitions, tile_size_px=stored_size_px, label_masks=label_masks
    )
    build_inventory(str(source), str(root), settings, StepLog("ingest")).write(str(path))
    return str(path)


def shard(inventory: str, root: Path, num_threads: int | None = None) -> list[str]:
    """Shards all partitions and returns the paths of their receipts."""
    receipts = []
    for partition in Inventory.read(inventory).partitions:
        receipts.append(str(root / f"receipts-{partition.index}.json"))
        shard_partition(inventory, str(partition.index), str(root), receipts[-1], StepLog("shard"), num_threads)
    return receipts


def merge(inventory: str, receipts: list[str], root: Path) -> Manifest:
    """Merges the receipts into the dataset's manifest, `root`/manifest.json."""
    report = str(root / "report.html")
    return merge_shards(inventory, receipts, str(root), str(root / "manifest.json"), report, StepLog("merge"))


def make_dataset(folder: Path, num_tiles: int, size_px: int) -> None:
    """Makes the dataset under `folder`; the stages keep what exists already."""
    source = make_source(folder, num_tiles, size_px)
    root = _root(folder, num_tiles, size_px)
    root.mkdir(parents=True, exist_ok=True)
    inventory = ingest(source, root)
    merge(inventory, shard(inventory, root), root)


def open_dataset(folder: Path, num_tiles: int, size_px: int) -> Dataset:
    """Returns the dataset that make_dataset made."""
    root = _root(folder, num_tiles, size_px)
    return Dataset(make_source(folder, num_tiles, size_px), root, Manifest.read(str(root / "manifest.json")))


def stored_at(dataset: Dataset, size_px: int) -> Dataset:
    """Returns the dataset with tiles stored at a smaller size, as by `shard_tile_size_px`; makes it if necessary."""
    root = dataset.root.with_name(f"{dataset.root.name}-stored-{size_px}")
    if not (root / "manifest.json").exists():
        root.mkdir(parents=True, exist_ok=True)
        inventory = ingest(dataset.source, root, stored_size_px=size_px)
        merge(inventory, shard(inventory, root), root)
    return Dataset(dataset.source, root, Manifest.read(str(root / "manifest.json")))


def _root(folder: Path, num_tiles: int, size_px: int) -> Path:
    return folder / f"data-{num_tiles}-{size_px}"
