"""A pushed version with all that it comes from: real data steps, and a training, an evaluation and a model made up."""

import dataclasses
import hashlib
from pathlib import Path

import msgspec
from model_cards import card_of
from small_source import plan, write_source

from components.contracts import (
    DatasetOrigin,
    Decision,
    Evaluation,
    Inventory,
    Ledger,
    Manifest,
    ModelCard,
    Scores,
    TrainingReceipt,
)
from components.dataset.known_data import remember_listing
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.push.ancestry import ancestry_of, witness
from components.push.card_facts import with_facts
from components.registry.layout import version_uri
from components.registry.promotion import move_production
from components.saved_model.files import digests
from components.shard.writer import shard_partition

VERSION = "c0ffee123456"
TRAINING = "0123456789abcdef"
SCORES = Scores(macro_f1=0.5, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={})
MODEL = {"saved_model.pb": b"a graph", "fingerprint.pb": b"12", "variables/variables.index": b"an index"}


@dataclasses.dataclass(frozen=True)
class Descended:
    """Where a version and its ancestors lie."""

    root: Path
    models: Path
    card: ModelCard
    manifest: Manifest


def write(path: Path, content: bytes) -> str:
    """Writes a file; returns the sha256 of what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def descended(folder: Path, run: str = "run-1") -> Descended:
    """Makes them in `folder`: data_root is `data`, and the models' place `models`."""
    root, models = folder / "data", folder / "models"
    manifest, origin = dataset(folder, root)
    receipt = training(root, manifest)
    evaluation = evaluated(root, manifest)
    ledger = Ledger(test_set=evaluation.test_set)
    write(models / f"gate/{ledger.test_set}.json", ledger.to_json())
    decision = Decision(decision="push", reason="better", floor=0.3, training_id=TRAINING, candidate_macro_f1=0.5)
    staged = folder / "staged"
    for path, content in MODEL.items():
        write(staged / path, content + b" to serve")
    ancestry = ancestry_of(str(root), receipt, evaluation, origin, "0" * 64, run)
    card = msgspec.structs.replace(
        card_of(VERSION),
        training_id=TRAINING,
        manifest_sha256=manifest.sha256,
        classes=manifest.classes,
        bands=manifest.bands,
        thresholds=(0.5, 0.5),
        config=receipt.config,
        decision=decision,
        files=digests(str(staged)),
        attachments={"README.md": write(staged / "README.md", b"# A model\n")},
    )
    card = with_facts(card, manifest, receipt, evaluation, ancestry)
    card.write(staged / "card.json")
    target = Path(version_uri(str(models), VERSION))
    target.parent.mkdir(parents=True)
    staged.rename(target)
    witness(str(root), str(models), card, is_new=True)
    move_production(str(models), VERSION, None, None, "better")
    return Descended(root, models, card, manifest)


def dataset(folder: Path, root: Path) -> tuple[Manifest, DatasetOrigin]:
    tiles = write_source(folder / "source", train=8, val=2, test=6, tiles_per_shard=2)
    inventory_path = plan(folder / "source", root, tiles)
    inventory = Inventory.read(inventory_path)
    inventory_path.unlink()
    partitions = tuple(
        msgspec.structs.replace(part, sha256=hashlib.sha256((root / part.path).read_bytes()).hexdigest())
        for part in inventory.partitions
    )
    inventory = msgspec.structs.replace(inventory, partitions=partitions)
    given = folder / "inventory.json"
    inventory.write(given)
    remember_listing(str(root), "", inventory)
    receipts = str(folder / "receipts.json")
    shard_partition(str(given), "0", str(root), receipts, StepLog("shard"))
    origin = folder / "origin.json"
    places = (str(folder / "manifest.json"), str(folder / "report.html"), StepLog("merge"))
    manifest = merge_shards(str(given), [receipts], str(root), *places, origin_path=str(origin))
    return manifest, DatasetOrigin.read(origin)


def training(root: Path, manifest: Manifest) -> TrainingReceipt:
    folder = root / "training" / TRAINING
    for path, content in MODEL.items():
        write(folder / "export" / path, content)
    weights = hashlib.sha256(b"weights").hexdigest()
    write(root / f"weights/{weights}.h5", b"weights")
    receipt = TrainingReceipt(
        training_id=TRAINING,
        manifest_sha256=manifest.sha256,
        model_path=f"training/{TRAINING}/export",
        files=digests(str(folder / "export")),
        classes=manifest.classes,
        bands=manifest.bands,
        label_mode="multi_label",
        backbone="small",
        image_size_px=64,
        num_parameters=1,
        num_workers=1,
        num_restarts=0,
        config={"epochs": 1, "seed": 7},
        best_epoch=0,
        history=(),
        seconds=1.5,
        weights_path=f"weights/{weights}.h5",
        commit="a" * 40,
    )
    receipt.write(folder / "receipt.json")
    return receipt


def evaluated(root: Path, manifest: Manifest) -> Evaluation:
    folder = "evaluations/0123456789abcdef"
    of = {name: write(root / folder / name, name.encode() * 9) for name in ("predictions.npz", "sample.npz", "fields")}
    return Evaluation(
        training_id=TRAINING,
        manifest_sha256=manifest.sha256,
        num_test_tiles=6,
        test_set="7" * 64,
        thresholds=(0.5, 0.5),
        candidate=SCORES,
        predictions_path=f"{folder}/predictions.npz",
        predictions_sha256=of["predictions.npz"],
        sample_path=f"{folder}/sample.npz",
        sample_sha256=of["sample.npz"],
        fields_path=f"{folder}/fields",
        fields_sha256=of["fields"],
    )
