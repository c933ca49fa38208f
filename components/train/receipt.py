"""The receipt of a training. It is written last, so a training that has one is complete."""

from components import environment, storage
from components.contracts import Manifest, TrainingReceipt
from components.progress import StepLog
from components.saved_model.files import GRAPH, digests
from components.train.bottleneck import Circumstances, find_bottleneck
from components.train.launch.lease import Lease, LostLease
from components.train.settings.strategies import PARAMETER_SERVER
from components.train.settings.worker_spec import TrainingOutcome, WorkerSpec

_RECEIPT = "receipt.json"
_MODEL = "export"


def make_receipt(
    spec: WorkerSpec, manifest: Manifest, folder: str, num_restarts: int, seconds: float, image: str = ""
) -> TrainingReceipt:
    """Returns the receipt of a training whose workers are done and left their outcome and model in `folder`.

    Args:
      image: Of the workers' pods; empty without pods.

    Raises:
      DataError: If the model is missing, or a file is with it that no model has.
    """
    outcome_uri = storage.join(folder, "outcome.json")
    outcome = TrainingOutcome.from_json(storage.read_bytes(outcome_uri), outcome_uri)
    config = spec.settings.config
    circumstances = Circumstances(
        config=config,
        device=outcome.device,
        num_workers=spec.settings.num_workers,
        num_threads=spec.num_threads,
        stored_size_px=min(min(map(int, size.split("x"))) for size in manifest.tile_sizes),
        is_remote=storage.is_remote(spec.data_root),
        waits_in_loop=spec.settings.strategy != PARAMETER_SERVER,
    )
    return TrainingReceipt(
        training_id=spec.training_id,
        manifest_sha256=manifest.sha256,
        model_path=f"training/{spec.training_id}/{_MODEL}",
        files=digests(storage.join(folder, _MODEL)),
        classes=manifest.classes,
        bands=spec.bands,
        label_mode=spec.label_mode,
        backbone=config.backbone,
        image_size_px=config.image_size_px,
        num_parameters=outcome.num_parameters,
        num_workers=spec.settings.num_workers,
        strategy=spec.settings.strategy,
        num_restarts=num_restarts,
        ended_by=outcome.ended_by,
        config=config.to_builtins(),
        best_epoch=outcome.best_epoch,
        history=outcome.history,
        seconds=seconds,
        num_checkpoints=outcome.num_checkpoints,
        checkpoint_stall_seconds=outcome.checkpoint_stall_seconds,
        bottleneck=find_bottleneck(outcome.history, circumstances),
        max_16_bit=manifest.max_16_bit,
        weights_path=spec.weights_path,
        commit=environment.commit(),
        image=image,
        num_train_tiles=manifest.splits["train"].num_tiles,
        num_val_tiles=manifest.splits["val"].num_tiles,
        reduce_seconds=outcome.reduce_seconds,
        reduce_latency_seconds=outcome.reduce_latency_seconds,
        reduces_per_step=outcome.reduces_per_step,
    )


def receipt_token(folder: str) -> str | None:
    """Returns what stands for the receipt in `folder`, or for there being none; for write_training_receipt."""
    return storage.read_pointer(storage.join(folder, _RECEIPT))[1]


def write_training_receipt(
    receipt: TrainingReceipt, folder: str, token: str | None, lease: Lease, log: StepLog
) -> TrainingReceipt:
    """Writes the receipt to the training's folder; returns it, or the one that another launch wrote meanwhile.

    Args:
      receipt: Of a training that is complete.
      folder: The training's folder.
      token: From receipt_token, when the training was already held.
      lease: The right to train.
      log: The step's log.

    Raises:
      LostLease: If this launch no longer holds the training.
    """
    lease.confirm()
    uri = storage.join(folder, _RECEIPT)
    try:
        storage.compare_and_swap(uri, token, receipt.to_json())
    except storage.Conflict as error:
        # A former holder that woke up late was faster.
        if (theirs := finished(folder, receipt.training_id, log)) is None:
            raise LostLease(f"{uri} was written by another launch, which is not done; run again") from error
        return theirs
    return receipt


def finished(folder: str, training_id: str, log: StepLog) -> TrainingReceipt | None:
    """Returns the receipt of the training in `folder`, or None if it is not complete."""
    uri = storage.join(folder, _RECEIPT)
    if not storage.exists(uri) or not storage.exists(storage.join(folder, _MODEL, GRAPH)):
        return None
    log.line(f"training {training_id} is already complete, with equal data, settings and code; reusing its model")
    return TrainingReceipt.from_json(storage.read_bytes(uri), uri)
