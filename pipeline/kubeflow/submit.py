"""Submits the compiled pipeline to Kubeflow Pipelines: uploads a version, starts a run, follows it to its end."""

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

from kfp_server_api import (
    RecurringRunMode,
    V2beta1CronSchedule,
    V2beta1PipelineVersionReference,
    V2beta1RecurringRun,
    V2beta1Run,
    V2beta1RuntimeConfig,
    V2beta1Trigger,
)

from components.errors import EXIT_TRY_AGAIN, AgrivisionError, SettingsError
from pipeline.form import form_values
from pipeline.kubeflow.client import Kubeflow
from pipeline.kubeflow.follow import TIMEOUT, RunResult, follow
from pipeline.kubeflow.interrupt import Interrupted, InterruptSignals
from pipeline.kubeflow.package import SOURCE_STEPS, Package, images_of
from pipeline.kubeflow.run_status import FAILED, PUSHED, REFUSED, TERMINATED, UNKNOWN
from pipeline.kubeflow.upload import find_experiment, upload_pipeline
from pipeline.parameters import PLACES, VOLUME_PATH, Parameters

# After an interruption: to learn the id of a run that is just being started, and to terminate a run.
_ANSWER_SECONDS = 4
_TERMINATE_SECONDS = 10
INTERRUPTED, LOST = "interrupted", "lost"
# For scripts; 124 as in the command `timeout`.
EXIT_CODES = {
    PUSHED: 0,
    REFUSED: 3,
    FAILED: 1,
    TERMINATED: 1,
    TIMEOUT: 124,
    UNKNOWN: EXIT_TRY_AGAIN,
    LOST: EXIT_TRY_AGAIN,
}


class EndedError(AgrivisionError):
    """Ends the command with a given exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclasses.dataclass(frozen=True)
class Order:
    """A run to start.

    Attributes:
      name: What it is called, without the time.
      fields: What a run and a recurring run have in common, as the API names it.
    """

    name: str
    fields: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Submission:
    """A run that was started, and how it ended.

    Attributes:
      outcome: "pushed", "refused", "failed"; "terminated" by somebody else; "unknown" if the API tells of the run's
        end, but not of what came of it; "timeout"; "interrupted"; "lost" if the API stayed away.
      exit_code: The exit code of the command.
      message: The reason, one line for people to read.
      url: The run's page.
      steps: By name: state, seconds, and whether the result came from the cache.
      gate: The numbers of the gate's decision; see RunResult.
    """

    outcome: str
    exit_code: int
    message: str
    run_id: str
    url: str
    version: str
    steps: dict[str, dict[str, Any]]
    gate: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        """Returns it as one line."""
        return json.dumps(dataclasses.asdict(self))


def check_shared_places(parameters: Parameters, volume_claim: str) -> None:
    """Refuses folders that the steps of a run would not all see.

    Raises:
      SettingsError: names the parameter and the way out.
    """
    for name in PLACES:
        place = parameters.values[name]
        if not place or "://" in place:
            continue
        if not volume_claim:
            raise SettingsError(
                f"{name} is a folder, {place!r}, which the steps of a run on a cluster do not share; "
                "give a gs:// URI, or mount a volume with --volume-claim"
            )
        if not f"{place}/".startswith(f"{VOLUME_PATH}/"):
            raise SettingsError(
                f"{name} must be a gs:// URI, or under {VOLUME_PATH}, where the volume is mounted, got {place!r}"
            )


def check_source(parameters: Parameters, package: Package) -> None:
    """Refuses an s3:// source if the steps that read it have the image of train, which cannot read s3://.

    Raises:
      SettingsError: names the way out.
    """
    images = images_of(package.documents[0])
    if parameters.run.source_uri.startswith("s3://") and images["train"] in {images[step] for step in SOURCE_STEPS}:
        raise SettingsError(
            f"source_uri is {parameters.run.source_uri!r}, which the image {images['train']!r} cannot read; "
            "give --ingest-image, as `make image TARGET=ingest` builds it, or copy the tiles first: make mirror"
        )


def prepare(kubeflow: Kubeflow, package: Package, parameters: Parameters, volume_claim: str, experiment: str) -> Order:
    """Uploads what a run needs, and returns what to start; nothing runs yet."""
    pipeline_id, version_id = upload_pipeline(kubeflow, package)
    experiment_id = find_experiment(kubeflow, experiment)
    claim = {"volume_claim": volume_claim} if volume_claim else {}
    values = form_values(parameters) | dict(package.sweep_form) | claim
    fields = {
        "experiment_id": experiment_id,
        "pipeline_version_reference": V2beta1PipelineVersionReference(
            pipeline_id=pipeline_id, pipeline_version_id=version_id
        ),
        "runtime_config": V2beta1RuntimeConfig(parameters=values),
    }
    return Order(f"{package.name} {package.version}", fields)


def start(kubeflow: Kubeflow, order: Order, cron: str = "", name: str = "") -> tuple[str, str]:
    """Starts a run, or with `cron` a recurring run; returns its id and the URL of its page.

    Args:
      name: Of a run; by default that of the order, with the time.
    """
    # Never retried: if only the answer was lost, there would be two runs.
    if cron:
        recurring = V2beta1RecurringRun(
            display_name=order.name,
            trigger=V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron=cron)),
            mode=RecurringRunMode.ENABLE,
            no_catchup=True,
            max_concurrency=1,
            **order.fields,
        )
        made = kubeflow.call(lambda client: client.recurring_runs.recurring_run_service_create_recurring_run(recurring))
        return made.recurring_run_id, f"{kubeflow.url}/#/recurringrun/details/{made.recurring_run_id}"
    name = name or f"{order.name} {time.strftime('%Y-%m-%d %H:%M:%S')}"
    run = V2beta1Run(display_name=name, **order.fields)
    run_id = kubeflow.call(lambda client: client.runs.run_service_create_run(run)).run_id
    return run_id, run_page(kubeflow, run_id)


def run_page(kubeflow: Kubeflow, run_id: str) -> str:
    """Returns the URL of a run's page."""
    return f"{kubeflow.url}/#/runs/details/{run_id}"


def run_and_follow(
    kubeflow: Kubeflow,
    package: Package,
    parameters: Parameters,
    volume_claim: str,
    experiment: str,
    timeout_seconds: float,
    echo: Callable[[str], None],
) -> Submission:
    """Starts a run and follows it to its end; terminates it if this process is interrupted.

    Raises:
      AgrivisionError: if the run could not be started. How a started run ends is never an error.
      EndedError: if it was interrupted before the run was started, or so that it is unknown whether the run continues.
    """
    interrupted_message = "interrupted before a run was started"
    look = f"see {kubeflow.url}/#/runs for whether the run"
    try:
        with InterruptSignals() as signals:
            order = prepare(kubeflow, package, parameters, volume_claim, experiment)
            interrupted_message = f"interrupted; {look} was started, and goes on"
            with signals.held(_ANSWER_SECONDS):
                run_id, url = start(kubeflow, order)
            interrupted_message = f"interrupted twice; {look} continues"
            try:
                signals.heed()
                echo(f"version  {package.version}")
                echo(f"run      {url}")
                ending = follow(kubeflow, run_id, timeout_seconds, echo)
                code = EXIT_CODES[ending.outcome]
            except AgrivisionError as error:
                ending = RunResult(LOST, f"{error}; run {run_id} continues: {url}", {})
                code = EXIT_CODES[LOST]
            except Interrupted as interrupted:
                echo(f"{interrupted.signal.name}: terminating the run")
                ending = RunResult(INTERRUPTED, _terminate(kubeflow, run_id, url), {})
                code = interrupted.exit_code
    except Interrupted as again:
        raise EndedError(interrupted_message, again.exit_code) from None
    return Submission(ending.outcome, code, ending.message, run_id, url, package.version, ending.steps, ending.gate)


def _terminate(kubeflow: Kubeflow, run_id: str, url: str) -> str:
    try:
        kubeflow.call(lambda client: client.runs.run_service_terminate_run(run_id), _TERMINATE_SECONDS)
    except AgrivisionError as error:
        return f"interrupted, but run {run_id} could not be terminated and continues ({error}); terminate it at {url}"
    return f"interrupted; run {run_id} is terminated"
