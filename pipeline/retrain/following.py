"""Stays with a run to its end, on Kubeflow or on this machine, and writes down how it ended."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from components.contracts import RunOutcome
from components.errors import AgrivisionError
from pipeline.kubeflow.follow import TIMEOUT, follow
from pipeline.kubeflow.submit import EXIT_CODES
from pipeline.local.watch import EXIT_INTERRUPTED, LocalRun, RunFailed, run_and_watch
from pipeline.parameters import Parameters
from pipeline.retrain.clock import Clock
from pipeline.retrain.kubeflow_runs import KubeflowRuns
from pipeline.retrain.local_runs import LocalRuns
from pipeline.retrain.retraining import Decided, RetrainAnswer
from pipeline.retrain.triggers import end_trigger, give_back, utc_time

_PUSH = "push"  # of the gate's two decisions


def follow_run(
    answer: RetrainAnswer,
    runs: KubeflowRuns,
    data_root: str,
    timeout_seconds: float,
    clock: Clock,
    echo: Callable[[str], None],
) -> RetrainAnswer:
    """Follows the run of a change to its end; returns the answer with how it ended. An answer without one stays.

    Raises:
      AgrivisionError: if Kubeflow stays away; the run goes on.
    """
    if answer.decided not in (Decided.STARTED, Decided.RUNNING):
        return answer
    result = follow(runs.kubeflow, answer.run_id, timeout_seconds, echo)
    if result.outcome != TIMEOUT:
        end_trigger(data_root, answer.key, answer.run_id, result.outcome, utc_time(clock.now()))
    return dataclasses.replace(
        answer, outcome=result.outcome, why=(*answer.why, result.message), exit_code=EXIT_CODES[result.outcome]
    )


def run_here(
    answer: RetrainAnswer,
    runs: LocalRuns,
    parameters: Parameters,
    runs_dir: Path,
    clock: Clock,
    console: Console,
    at_end: Callable[[LocalRun], None] = lambda _: None,
) -> RetrainAnswer:
    """Does the work of a run that this process has started; returns the answer with how it ended.

    Args:
      at_end: See run_and_watch.

    Raises:
      RunFailed: if a step failed, with the step's exit code.
      AgrivisionError: if it could not start.
    """
    data_root = parameters.run.data_root

    def end(outcome: RunOutcome) -> None:
        end_trigger(data_root, answer.key, answer.run_id, outcome, utc_time(clock.now()))

    if not runs.owns(answer.run_id):
        return answer
    try:
        summary = run_and_watch(parameters, runs_dir, console, at_end)
    except AgrivisionError as error:
        if isinstance(error, RunFailed) and error.exit_code == EXIT_INTERRUPTED:
            # The same command goes on with it, so it neither counts as one that failed nor has to wait.
            runs.forget(answer.run_id)
            give_back(data_root, answer.key, answer.run_id, utc_time(clock.now()), "it was interrupted")
        else:
            end(RunOutcome.FAILED)
        raise
    outcome = RunOutcome.PUSHED if summary.decision == _PUSH else RunOutcome.REFUSED
    end(outcome)
    why = (*answer.why, summary.reason)
    return dataclasses.replace(answer, outcome=outcome.value, why=why, exit_code=EXIT_CODES[outcome.value])
