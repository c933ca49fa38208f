"""Finds the receipts of earlier trainings under data_root that tell how long the next one will take."""

import contextlib
import dataclasses
import re
from typing import TypeAlias

from components import storage
from components.contracts import TrainingReceipt
from components.cost.train_speed import TrainSize
from components.errors import DataError

KnownTraining: TypeAlias = tuple[TrainingReceipt, TrainSize]

_RECEIPT = re.compile(r"[0-9a-f]{16}/receipt\.json")
_MOST_RECEIPTS = 200  # that are read
# What decides how long a step takes, of a training's settings.
_KEYS = ("backbone", "head", "image_size_px", "global_batch_size", "precision", "steps_per_call")


@dataclasses.dataclass(frozen=True)
class Kind:
    """Trainings that take equally long for a tile.

    Attributes:
      profile: The node pool, or "laptop".
      num_workers: Workers that train together.
      config: The complete TrainConfig, as a receipt has it.
    """

    profile: str
    num_workers: int
    config: dict[str, str | int | float | bool | None]

    def is_of(self, receipt: TrainingReceipt) -> bool:
        """Returns whether a training was of this kind."""
        return (
            receipt.profile == self.profile
            and receipt.num_workers == self.num_workers
            and all(self.config.get(key) == receipt.config.get(key) for key in _KEYS)
        )


def size_of(num_train: int, num_val: int, global_batch_size: int, epochs: int, patience: int = 0) -> TrainSize:
    """Returns how much a training has to do that takes whole batches of the train split."""
    fewest = min(epochs, patience + 1) if patience else epochs
    return TrainSize(num_train // global_batch_size * global_batch_size, num_val, epochs, fewest)


def known_trainings(data_root: str, kind: Kind) -> list[KnownTraining]:
    """Returns the receipts of a kind, with the sizes of their datasets; damaged ones are passed over.

    Raises:
      UnreachableError: if a bucket does not answer.
    """
    folder = storage.join(data_root, "training")
    paths = []
    with contextlib.suppress(storage.NoSuchFolder):  # nothing was trained yet
        paths = sorted(file.path for file in storage.list_files(folder) if _RECEIPT.fullmatch(file.path))
    found = []
    for path in paths[:_MOST_RECEIPTS]:
        with contextlib.suppress(DataError, FileNotFoundError):
            uri = storage.join(folder, path)
            receipt = TrainingReceipt.from_json(storage.read_bytes(uri), uri)
            if not kind.is_of(receipt):
                continue
            batch = receipt.config.get("global_batch_size")
            if isinstance(batch, int) and batch > 0:
                size = size_of(receipt.num_train_tiles, receipt.num_val_tiles, batch, len(receipt.history))
                found.append((receipt, size))
    return found
