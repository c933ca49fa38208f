"""What a run on Kubeflow cost: the pods of its steps and those of its workers, at the prices of their nodes."""

from collections.abc import Mapping

from components.contracts import RunCost, StepRecord, TrainingReceipt
from components.cost.prices import LAPTOP, Prices
from components.cost.run_cost import run_cost

# Steps ask for no node of their own, and run where the cluster has room: on a node without accelerators.
STEP_PROFILE = "cpu"
WORKERS = "train-workers"


def cost_of_run(steps: Mapping[str, StepRecord], receipt: TrainingReceipt | None, prices: Prices) -> RunCost | None:
    """Returns what a run cost; None if it is not known how long any of its pods ran.

    Args:
      steps: The run's steps, with the seconds of their pods and of the workers' pods.
      receipt: Of its training; None if there is none.
      prices: The prices of the profiles.

    Raises:
      SettingsError: if there is no price of a profile.
    """
    cached = [name for name, step in steps.items() if step.is_cached]
    seconds = {name: (STEP_PROFILE, step.pod_seconds) for name, step in steps.items() if step.pod_seconds is not None}
    if not seconds and not cached:
        return None
    if receipt and (of_workers := sum(step.worker_pod_seconds for step in steps.values())):
        seconds[WORKERS] = (receipt.profile or STEP_PROFILE, of_workers)
    num_tiles = receipt.cost.num_tiles if receipt and receipt.cost else 0
    return run_cost(seconds, prices, num_tiles, cached)


def worker_seconds(receipt: TrainingReceipt | None, train_seconds: float | None) -> float:
    """Returns the seconds that a run paid for the pods of its workers.

    A training that an earlier run has done, and that was found again, costs nothing: one that this run did takes no
    longer than the step that waited for it. Workers in the step's own pod are paid for with it.
    """
    if receipt is None or receipt.profile == LAPTOP or train_seconds is None or train_seconds < receipt.seconds:
        return 0.0
    return round(receipt.pods.paid or receipt.num_workers * receipt.seconds, 1)
