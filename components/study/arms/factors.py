"""The factors that a comparison may have: the one thing in which its arms differ, and what must follow from it."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Factor:
    """One thing to compare.

    Attributes:
      fields: Paths of the fields of Arm that are this thing; all other fields must be equal.
      changes: What follows from it and may differ too: names of `derived` and of witnesses. Where "losses" is not among
        them, the arms must learn the very same, and only time and memory may differ.
    """

    fields: tuple[str, ...]
    changes: tuple[str, ...] = ()


_CONFIG = "training.config."
# What differs when other numbers go into a step, and when other weights are multiplied with them.
_OTHER_BATCHES = ("batches", "losses")
_OTHER_NETWORK = ("initial_weights", "losses")
_AS_MANY_EPOCHS = ("num_updates", "num_tiles_read", "num_epochs", "order", "tiles_per_worker")

FACTORS: Mapping[str, Factor] = {
    # Only time and memory may differ.
    "format": Factor(("source.layout", "source.reader", "source.num_files")),
    "reader": Factor(("source.reader",)),
    "num_files": Factor(("source.num_files",)),
    "compression": Factor(("source.layout",)),
    "num_threads": Factor(("source.num_threads",)),
    "memory_limit": Factor(("place.memory_limit_bytes",)),
    "steps_per_call": Factor((f"{_CONFIG}steps_per_call",)),
    # The whole input as the original had it, whose order is a part of it.
    "input": Factor(("source.layout", "source.reader", "source.num_files"), ("order", *_OTHER_BATCHES)),
    # Decoding and shrinking a stored-small tile gives nearly the same pixels, not the same.
    "stored_size": Factor(("source.stored_size_px",), _OTHER_BATCHES),
    "data_size": Factor(
        ("source.dataset", "source.num_tiles", "source.num_files"),
        ("num_updates", "num_tiles_read", "num_epochs", "order", "dataset", *_OTHER_BATCHES),
    ),
    # Other processors, compilers and numbers of workers add in another order, so losses differ in their last digits.
    "device": Factor(("place.device", "place.profile"), ("losses",)),
    "xla": Factor(("place.uses_xla",), ("losses",)),
    "strategy": Factor(("training.strategy",), ("losses",)),
    "num_workers": Factor(
        ("training.num_workers", "training.strategy", "place.num_cores"), ("tiles_per_worker", "losses")
    ),
    # Learning differs.
    "averaging": Factor(
        ("parallelism.kind", "parallelism.num_averaged", f"{_CONFIG}global_batch_size"),
        ("num_updates", "tiles_per_worker", "num_tiles_read", *_OTHER_BATCHES, "peak_learning_rate"),
    ),
    "averaging_at_best_rate": Factor(
        ("parallelism.kind", "parallelism.num_averaged", f"{_CONFIG}global_batch_size", f"{_CONFIG}learning_rate"),
        ("num_updates", "tiles_per_worker", "num_tiles_read", *_OTHER_BATCHES, "peak_learning_rate"),
    ),
    "delay": Factor(("parallelism.kind", "parallelism.delay"), ("losses",)),
    "delay_at_best_rate": Factor(
        ("parallelism.kind", "parallelism.delay", f"{_CONFIG}learning_rate"), ("peak_learning_rate", "losses")
    ),
    "hybrid": Factor(("parallelism.kind",), ("losses",)),
    "batch_size_at_equal_epochs": Factor(
        (f"{_CONFIG}global_batch_size",), (*_AS_MANY_EPOCHS, *_OTHER_BATCHES, "peak_learning_rate")
    ),
    "batch_size_at_equal_updates": Factor(
        (f"{_CONFIG}global_batch_size", f"{_CONFIG}epochs"),
        (*(name for name in _AS_MANY_EPOCHS if name != "num_updates"), *_OTHER_BATCHES, "peak_learning_rate"),
    ),
    "learning_rate": Factor((f"{_CONFIG}learning_rate",), ("peak_learning_rate", "losses")),
    "augmentation": Factor(
        tuple(f"{_CONFIG}{name}" for name in ("augment", "zoom_range", "shear_degrees", "brightness_range")),
        ("augmentation", *_OTHER_BATCHES),
    ),
    "backbone": Factor((f"{_CONFIG}backbone", "start_from"), _OTHER_NETWORK),
    "bands": Factor((f"{_CONFIG}bands",), ("batches", "input_shape", *_OTHER_NETWORK)),
    "epochs": Factor((f"{_CONFIG}epochs",), (*_AS_MANY_EPOCHS, *_OTHER_BATCHES)),
}
