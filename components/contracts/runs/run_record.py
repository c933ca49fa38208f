"""`runs/<run id>.json` under data_root: how a run ended, what came of it, how long it took, and what it ran.

What cannot be known is empty or None, never guessed. A record is written once, by whoever knows first that the run has
ended; if it is not complete then, it is completed once more is known, and never changed after that.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.gate import Difference
from components.contracts.names import PathPart, PathPartOrEmpty, Sha256OrEmpty, UtcTime
from components.contracts.runs.cost import RunCost

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]


class RecordedState(StrEnum):
    """How a run ended, as whatever ran it tells."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TERMINATED = "terminated"


class RecordedOutcome(StrEnum):
    """What came of a run. A run that succeeded has pushed a model, or the gate has refused it."""

    PUSHED = "pushed"
    REFUSED = "refused"
    FAILED = "failed"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a run; its parallel tasks count as one step.

    Attributes:
      state: "succeeded", "failed", or another of Kubeflow's states, in lower case.
      seconds: From the first start to the last end; None if that is unknown.
      pod_seconds: Of all its pods together, those that only prepare one included, and those of lost attempts; None
        where there are no pods, or their times are unknown.
      worker_pod_seconds: Of the pods that the train step started for its workers; 0 if it started none.
      is_cached: Whether Kubeflow took the result from an equal task of another run.
      image: The image that the step ran in, as the pipeline names it: by its digest, if it was compiled with one.
    """

    state: str
    seconds: Seconds | None = None
    pod_seconds: Seconds | None = None
    worker_pod_seconds: Seconds = 0.0
    is_cached: bool = False
    image: str = ""


class GateNumbers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of the gate's decision; the meanings are those of Decision in components/contracts/gate.py."""

    decision: str
    outcome: str = ""
    candidate_macro_f1: Share
    candidate_interval: tuple[float, float] | None = None
    production_version: PathPart | None = None
    production_macro_f1: float | None = None
    difference: Difference | None = None
    class_differences: dict[str, Difference] = msgspec.field(default_factory=dict)
    p_value: float | None = None
    alpha: float | None = None
    question: int = 0
    smallest_gain: float | None = None


class RunRecord(Document, frozen=True, kw_only=True):
    """The record of a run that has ended.

    Attributes:
      run_id: Kubeflow's id of the run; on a laptop, the name of the run's folder and a random end.
      name: What the run is called; empty on a laptop.
      pipeline_version: The version of the pipeline; on a laptop, the commit and a hash of the compiled pipeline.
      trigger_key: The key of the trigger that started the run, which the name of the run has; empty without one.
      is_complete: Whether all was there that this record can hold. A record that is not is completed by
        `agrivision collect`.
      reason: The gate's reason, or why the run failed: one line for people to read.
      gate: None if the gate did not decide, or its numbers are unavailable.
      macro_f1, macro_f1_interval: Of the candidate on the test split, with its 95 % interval; None if it was not
        evaluated.
      steps: By name, in the order of the pipeline; those that never started are absent.
      cost: Of all pods, those of the workers as a step "train-workers"; on a laptop, of the machine. None if it is not
        known how long they ran, or there is no price.
      commit: Of this project; empty if the checkout had changes, or was none. At least its first 12 characters.
      manifest_sha256, training_id: The dataset, and the training; empty if the run did not get that far.
      model_version: What was pushed; None if nothing was.
      links: The run's page, and where its reports are: addresses, URIs, or paths, by name.
      started, ended: Of the whole run, with what it waited for; the start is None until the run is collected.
    """

    way_out: ClassVar[str] = "restore it, or remove it and run agrivision collect to have it made again"

    format_version: int = FORMAT_VERSION
    run_id: PathPart
    name: str = ""
    pipeline_version: str = ""
    trigger_key: Sha256OrEmpty = ""
    is_complete: bool = False
    state: RecordedState
    outcome: RecordedOutcome
    reason: str = ""
    gate: GateNumbers | None = None
    macro_f1: Share | None = None
    macro_f1_interval: tuple[float, float] | None = None
    steps: dict[str, StepRecord] = msgspec.field(default_factory=dict)
    cost: RunCost | None = None
    commit: str = ""
    manifest_sha256: Sha256OrEmpty = ""
    training_id: PathPartOrEmpty = ""
    model_version: PathPart | None = None
    links: dict[str, str] = msgspec.field(default_factory=dict)
    started: UtcTime | None = None
    ended: UtcTime
