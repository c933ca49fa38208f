"""The protocol between a launcher and its workers: spec, outcome and exit codes. Imports no TensorFlow."""

from components.contracts import Document, EpochMetrics
from components.contracts.names import PathPart, RelativePathOrEmpty
from components.errors import EXIT_DATA, EXIT_SETTINGS, AgrivisionError
from components.errors import EXIT_TRY_AGAIN as EXIT_TRY_AGAIN
from components.train.settings.train_settings import TrainSettings

EXIT_DONE = 0
EXIT_STOPPED = 143  # stopped by SIGTERM, after a checkpoint
# Why a training ended.
ENDED_WITH_EPOCHS = "epochs"
ENDED_EARLY = "early_stopping"
ENDED_OUT_OF_TIME = "max_seconds"
ENDED_OUT_OF_MONEY = "max_cost"
PERMANENT = (EXIT_SETTINGS, EXIT_DATA)  # another attempt would end the same way


def blame(exit_code: int) -> int:
    """Returns the exit code's rank as root cause of a gang's failure; 0 is the most likely cause."""
    if exit_code in PERMANENT:
        return 0
    # A process that lost a peer has only seen another one's failure.
    return {EXIT_STOPPED: 2, EXIT_TRY_AGAIN: 3}.get(exit_code, 1)


class WorkersFailed(AgrivisionError):
    """The workers failed, and no restart is left or would help."""

    exit_code = EXIT_TRY_AGAIN


class WorkerSpec(Document, frozen=True, kw_only=True):
    """What a worker is to do (launcher → worker).

    Attributes:
      manifest_uri: URI of the manifest; every worker can read it.
      settings: The run's training settings; its strategy is never "auto".
      label_mode: "multi_label" or "single_label".
      bands: The dataset's bands that the model reads.
      weights_path: The backbone's initial weights, relative to data_root; empty for random weights.
      num_replicas: Replicas of the model in each worker; 0 if only the worker can tell.
      shares_gpus: There are more workers on this machine than GPUs.
      rendezvous: "<host>:<port>" where worker 0 waits for the others; empty for a single worker.
      paid_seconds: Seconds that train_max_cost pays each node for, over all attempts; 0 is without limit.
      spent_seconds: Of these, what earlier attempts took.
      nonce: By which processes that meet there know each other; of one attempt, and known to nobody else.
      peer_wait_seconds: How long to wait there.
      stall_seconds: A worker whose first step takes longer gives up; for later steps see lifeline.Watchdog.
      num_threads: CPU cores of this worker.
      follows_launcher: The worker ends when its standard input ends, which the launcher holds open. A pod ends at its
        Job's deadline instead.
      addresses: "<host>:<port>" of every process, for pods, which learn their own index from their Job.
    """

    data_root: str
    training_id: PathPart
    manifest_uri: str
    settings: TrainSettings
    label_mode: str
    bands: tuple[str, ...]
    weights_path: RelativePathOrEmpty
    num_replicas: int
    shares_gpus: bool
    rendezvous: str
    peer_wait_seconds: float
    stall_seconds: float
    num_threads: int
    follows_launcher: bool
    addresses: tuple[str, ...] = ()
    paid_seconds: float = 0.0
    spent_seconds: float = 0.0
    nonce: str = ""


class TrainingOutcome(Document, frozen=True, kw_only=True):
    """How a finished training went (chief → launcher); `outcome.json` in the training's folder.

    Attributes:
      ended_by: One of ENDED_*.
      device: What the steps ran on: "CPU", "GPU" or "TPU".
      num_checkpoints: Number of checkpoints written since the last restart.
      checkpoint_stall_seconds: Longest pause of training for one of them.
      reduce_seconds, reduce_latency_seconds, reduces_per_step: As in the receipt.
    """

    num_parameters: int
    ended_by: str
    best_epoch: int
    history: tuple[EpochMetrics, ...]
    device: str = "CPU"
    num_checkpoints: int = 0
    checkpoint_stall_seconds: float = 0.0
    reduce_seconds: float = 0.0
    reduce_latency_seconds: float = 0.0
    reduces_per_step: int = 0
