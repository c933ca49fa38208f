"""The tiles that all arms read, in each layout that an arm may ask for.

One generated dataset goes through ingest, shard and merge. The other layouts are made of the records of its train
split, so that every layout holds the very bytes of the same JPEGs. Nothing here loads TensorFlow.
"""

import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from components.agrivision import CLASS_FOLDERS
from components.contracts import Manifest
from components.errors import DataError
from components.ingest.settings import IngestSettings
from components.records import example_pb2, jpeg
from components.records.record_file import RecordWriter
from components.records.tile_record import deserialize
from components.study.experiments.sharded_tiles import MANIFEST, shard_tiles
from components.synth.dataset import write_dataset
from components.train.input.order import epoch_order
from components.train.input.shard_index import ShardIndex, index_split

SEED = 20_200_615  # of the tiles and their order
_FEW_TILES = 200  # drawn by one process, because starting others takes longer
_SHARD_SIZE_MB = 64  # within the 10 to 100 MB that the original advises
_Example: Any = example_pb2.Example  # type: ignore[attr-defined]  # the class is made on import


class PlacedTile(msgspec.Struct, frozen=True):
    """A tile of the train split.

    Attributes:
      path: Its JPEG, relative to the folder layout: <class>/<tile_id>.jpg.
      label: Number of its class in the manifest.
      record: Its number in the shards' index.
    """

    tile_id: str
    path: str
    label: int
    record: int


@dataclasses.dataclass(frozen=True)
class PreparedTiles:
    """Tiles under `root`, which are read in one order by every arm whose reader can be told one.

    The same order in every epoch, because a TFRecord file has only one.
    """

    root: Path

    @property
    def manifest(self) -> Manifest:
        """The dataset's manifest."""
        return Manifest.read(self.root / MANIFEST)

    @property
    def tiles(self) -> tuple[PlacedTile, ...]:
        """The tiles in the order in which steps see them."""
        return msgspec.json.decode((self.root / "order.json").read_bytes(), type=tuple[PlacedTile, ...])

    @property
    def folder(self) -> Path:
        """The layout "folder": a folder for each class, with a JPEG for each tile."""
        return self.root / "folder"

    @property
    def sha256(self) -> str:
        """Names the tiles with their labels and order, the same in whatever size they are stored."""
        named = [(tile.tile_id, tile.label) for tile in self.tiles]
        return hashlib.sha256(msgspec.json.encode(named)).hexdigest()

    def index(self) -> ShardIndex:
        """The records of the shards."""
        manifest = self.manifest
        return index_split(str(self.root), manifest.splits["train"], len(manifest.classes), single_label=True)

    def record_files(self, layout: str, num_files: int) -> list[Path]:
        """Returns the files of "jpeg_records" or "raw_records"; makes them if they do not exist.

        Record i lies in file i modulo `num_files`, so whoever reads a record of each file in turn sees one order,
        whatever the number of files.
        """
        folder = self.root / f"{layout}-{num_files}"
        if not folder.exists():
            # An arm and its second process make the same at once, so each has a folder of its own until it is whole.
            temporary = Path(tempfile.mkdtemp(dir=self.root, prefix=f".{folder.name}."))
            for number in range(num_files):
                with RecordWriter(temporary / f"{number:05}.tfrecord") as writer:
                    for record in self._records(layout, number, num_files):
                        writer.write(record)
            try:
                temporary.rename(folder)
            except OSError:  # the other was first, with the same bytes
                shutil.rmtree(temporary)
                if not folder.exists():
                    raise
        return sorted(folder.iterdir())

    def _records(self, layout: str, first: int, step: int) -> Iterator[bytes]:
        for tile in self.tiles[first::step]:
            content = (self.folder / tile.path).read_bytes()
            example = _Example()
            if layout == "raw_records":
                example.features.feature["pixels"].bytes_list.value.append(jpeg.decode(content, 3).tobytes())
            else:
                example.features.feature["image_raw"].bytes_list.value.append(content)
            example.features.feature["label"].int64_list.value.append(tile.label)
            yield example.SerializeToString(deterministic=True)


def prepare_tiles(folder: Path, num_tiles: int, tile_size_px: int, stored_size_px: int = 0) -> PreparedTiles:
    """Returns generated tiles; makes what does not exist yet, or was damaged.

    Args:
      num_tiles: Over all splits; the arms read the train split.
      stored_size_px: Side that the shards' tiles are made smaller to; 0 to store them whole.

    Raises:
      DataError: if the train split has no tiles.
    """
    name = f"{num_tiles}-{tile_size_px}"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"source-{name}"
    prepared = PreparedTiles(folder / f"tiles-{name}-{stored_size_px}")
    if prepared.root.exists() and not _is_whole(prepared):
        shutil.rmtree(prepared.root)
        shutil.rmtree(source, ignore_errors=True)  # which may have suffered with it
    if not source.exists():
        write_dataset(
            source,
            layout=CLASS_FOLDERS,
            num_tiles=num_tiles,
            seed=SEED,
            tile_size_px=tile_size_px,
            num_processes=1 if num_tiles <= _FEW_TILES else None,
        )
    if not (prepared.root / "order.json").exists():
        prepared.root.mkdir(exist_ok=True)
        settings = IngestSettings(
            num_workers=1, num_partitions=1, tile_size_px=stored_size_px, shard_size_mb=_SHARD_SIZE_MB
        )
        shard_tiles(source, prepared.root, settings)
        _lay_out(prepared)
    return prepared


def _is_whole(prepared: PreparedTiles) -> bool:
    """Tells whether the layout "folder" holds what the shards do, and nothing else."""
    try:
        index, tiles, num_classes = prepared.index(), prepared.tiles, len(prepared.manifest.classes)
        found = {file.relative_to(prepared.folder).as_posix() for file in prepared.folder.glob("*/*")}
        return found == {tile.path for tile in tiles} and all(
            (prepared.folder / tile.path).read_bytes() == deserialize(index.read(tile.record), num_classes).rgb
            for tile in tiles
        )
    except (OSError, ValueError, DataError):
        return False


def num_bytes_under(*paths: Path) -> int:
    """Returns the size of files, and of all files in folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def _lay_out(prepared: PreparedTiles) -> None:
    """Writes the folder layout, and last the order, without which there is nothing."""
    index, classes = prepared.index(), prepared.manifest.classes
    if not len(index):
        raise DataError("the train split of the study's tiles must not be empty, got 0 tiles; ask for more tiles")
    for name in classes:  # Keras wants one for each, whatever it holds
        (prepared.folder / name).mkdir(parents=True, exist_ok=True)
    placed = []
    for number in epoch_order(len(index), SEED, 0).tolist():
        record = deserialize(index.read(number), len(classes))
        label = int(np.argmax(record.labels))
        path = f"{classes[label]}/{record.tile_id.replace('/', '_').removesuffix('.jpg')}.jpg"
        (prepared.folder / path).write_bytes(record.rgb)
        placed.append(PlacedTile(record.tile_id, path, label, number))
    temporary = prepared.root / ".order.json.tmp"
    temporary.write_bytes(msgspec.json.encode(placed))
    temporary.rename(prepared.root / "order.json")
