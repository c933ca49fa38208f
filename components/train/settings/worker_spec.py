"""What a launcher tells its workers, what they tell it back, and the exit codes between them. Imports no TensorFlow."""

from components.contracts import Document, EpochMetrics
from components.errors import EXIT_DATA, EXIT_SETTINGS, AgrivisionError
from components.errors import EXIT_TRY_AGAIN as EXIT_TRY_AGAIN
from components.train.settings.train_settings import TrainSettings

EXIT_DONE = 0
EXIT_STOPPED = 143  # stopped by SIGTERM, after a checkpoint
# What a training ended with.
ENDED_WITH_EPOCHS = "epochs"
ENDED_EARLY = "early_stopping"
ENDED_OUT_OF_TIME = "max_seconds"
PERMANENT = (EXIT_SETTINGS, EXIT_DATA)  # another attempt would end the same


def blame(exit_code: int) -> int:
    """Returns how far a process that ended so is from being the cause of its gang's end, 0 the least."""
    if exit_code in PERMANENT:
        return 0
    # Who lost a peer has only seen the failure of another.
    return {EXIT_STOPPED: 2, EXIT_TRY_AGAIN: 3}.get(exit_code, 1)


class WorkersFailed(AgrivisionError):
    """The gang failed more often than it may."""

    exit_code = EXIT_TRY_AGAIN


class WorkerSpec(Document, frozen=True, kw_only=True):
    """launcher → worker.

    Attributes:
      manifest_uri: Of the manifest, which this worker can read.
      settings: With a strategy that is not "auto".
      label_mode: "multi_label" or "single_label".
      bands: The dataset's bands that the model reads.
      weights_path: The weights that the backbone starts from, relative to data_root; empty for random ones.
      num_replicas: Replicas of the model in each worker; 0 if only the worker can tell.
      shares_gpus: The workers of one machine have fewer GPUs than they are.
      rendezvous: "<host>:<port>" where worker 0 waits for the others; empty for a single worker.
      peer_wait_seconds: How long to wait there.
      stall_seconds: A worker whose first step takes longer gives up; for the others see lifeline.Watchdog.
      num_threads: Processor cores for this worker.
      follows_launcher: The worker ends as soon as its standard input does, which the launcher holds open; a pod ends at
        its Job's deadline instead.
      addresses: "<host>:<port>" of every process, for those that learn from their Job which of them they are.
    """

    data_root: str
    training_id: str
    manifest_uri: str
    settings: TrainSettings
    label_mode: str
    bands: tuple[str, ...]
    weights_path: str
    num_replicas: int
    shares_gpus: bool
    rendezvous: str
    peer_wait_seconds: float
    stall_seconds: float
    num_threads: int
    follows_launcher: bool
    addresses: tuple[str, ...] = ()


class TrainingOutcome(Document, frozen=True, kw_only=True):
    """chief → launcher: how a finished training went; `outcome.json` in its folder.

    Attributes:
      ended_by: One of ENDED_*.
      device: What the steps ran on: "CPU", "GPU" or "TPU".
      num_checkpoints: Written since the last restart.
      checkpoint_stall_seconds: The longest that training stood still for one of them.
    """

    num_parameters: int
    ended_by: str
    best_epoch: int
    history: tuple[EpochMetrics, ...]
    device: str = "CPU"
    num_checkpoints: int = 0
    checkpoint_stall_seconds: float = 0.0
