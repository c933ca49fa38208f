"""What travels between the steps: small documents, never pixels.

Each is a frozen struct that is written as canonical JSON (sorted keys, so equal content is equal
bytes) and refuses, when read, anything of another form. Paths inside a document are relative to
`data_root`, so that the same data in another place has the same document and the same hash.
"""

from components.contracts.calibration import Calibration, ClassNotSure, ClassReliability, NotSure, Reliability
from components.contracts.card_facts import DataFacts, Export, Lineage, TrainingFacts
from components.contracts.dataset import FieldSums, Manifest, Note, Shard, ShardReceipt, ShardReceipts, SplitSummary
from components.contracts.dense import DenseScores
from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.evaluation import ClassScores, Evaluation, Scores
from components.contracts.gate import Decision, Ledger, Question
from components.contracts.known_data import KnownDataset, KnownListing
from components.contracts.model import ModelCard, PushReceipt
from components.contracts.origin import DatasetOrigin, PushedVersion
from components.contracts.reasons import WhyIgnored
from components.contracts.registry import ArchivedMoves, Channel, Move, VersionState
from components.contracts.runs.cost import PodSeconds, RunCost, StepCost
from components.contracts.runs.run_record import GateNumbers, RecordedOutcome, RecordedState, RunRecord, StepRecord
from components.contracts.runs.triggers import AttemptState, RunOutcome, Sighting, Surveyed, Trigger, TriggerAttempt
from components.contracts.served import ServedWindow
from components.contracts.source import (
    Annotation,
    IgnoredFiles,
    Inventory,
    MissingMasks,
    NearPicture,
    NearPictures,
    Partition,
    PlannedShard,
    Rejection,
    SourceFile,
    SourceTile,
)
from components.contracts.sweep import SeedScore, Sweep, Trial, TrialResult
from components.contracts.training import Bottleneck, EpochMetrics, TrainingReceipt
from components.contracts.weaknesses import (
    Doubt,
    FieldScore,
    FieldSpread,
    LabelDoubts,
    Robustness,
    RobustnessRow,
    Slices,
    SliceScore,
)

__all__ = [
    "FORMAT_VERSION",
    "Annotation",
    "ArchivedMoves",
    "AttemptState",
    "Bottleneck",
    "Calibration",
    "Channel",
    "ClassNotSure",
    "ClassReliability",
    "ClassScores",
    "DataFacts",
    "DatasetOrigin",
    "Decision",
    "DenseScores",
    "Document",
    "Doubt",
    "EpochMetrics",
    "Evaluation",
    "Export",
    "FieldScore",
    "FieldSpread",
    "FieldSums",
    "GateNumbers",
    "IgnoredFiles",
    "Inventory",
    "KnownDataset",
    "KnownListing",
    "LabelDoubts",
    "Ledger",
    "Lineage",
    "Manifest",
    "MissingMasks",
    "ModelCard",
    "Move",
    "NearPicture",
    "NearPictures",
    "NotSure",
    "Note",
    "Partition",
    "PlannedShard",
    "PodSeconds",
    "PushReceipt",
    "PushedVersion",
    "Question",
    "RecordedOutcome",
    "RecordedState",
    "Rejection",
    "Reliability",
    "Robustness",
    "RobustnessRow",
    "RunCost",
    "RunOutcome",
    "RunRecord",
    "Scores",
    "SeedScore",
    "ServedWindow",
    "Shard",
    "ShardReceipt",
    "ShardReceipts",
    "Sighting",
    "SliceScore",
    "Slices",
    "SourceFile",
    "SourceTile",
    "SplitSummary",
    "StepCost",
    "StepRecord",
    "Surveyed",
    "Sweep",
    "TrainingFacts",
    "TrainingReceipt",
    "Trial",
    "TrialResult",
    "Trigger",
    "TriggerAttempt",
    "VersionState",
    "WhyIgnored",
]
