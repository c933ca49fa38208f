"""The command that starts a run when a source has changed. It imports its heavy libraries itself."""

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import EXIT_FOUND, SettingsError
from pipeline.commands.kubeflow_options import RunThereOptions, seconds_to_wait
from pipeline.commands.options import with_options_as, with_parameters, with_settings
from pipeline.commands.records import WebhookOption, WebhookPrivateOption, local_recorder
from pipeline.parameters import Parameters
from pipeline.retrain.settings import RetrainSettings
from pipeline.terminal import StderrLog, say

if TYPE_CHECKING:
    from pipeline.kubeflow.client import Kubeflow
    from pipeline.kubeflow.submit import Order as RunOrder
    from pipeline.retrain.kubeflow_runs import KubeflowRuns
    from pipeline.retrain.retraining import RetrainAnswer
    from pipeline.run_records.webhook import Webhook


@with_parameters(file=True)
@with_settings(RetrainSettings)
@with_options_as("there", RunThereOptions)
def retrain(
    parameters: Parameters,
    settings: RetrainSettings,
    *,
    served: Annotated[
        str, typer.Option(help="Where agrivision serve --drift-to writes; a shift of it is a reason, too.")
    ] = "",
    there: RunThereOptions,
    local: Annotated[bool, typer.Option("--local", help="Run on this machine, to the end, without Kubeflow.")] = False,
    runs_dir: Annotated[Path, typer.Option(help="With --local: where to keep each run's log and reports.")] = Path(
        "runs"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only decide; write and start nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the run to its end; otherwise only name it.")] = False,
    timeout_minutes: Annotated[float, typer.Option(help="With --wait: how long to wait for the run to end.")] = 1440,
    webhook: WebhookOption = "",
    webhook_private: WebhookPrivateOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Start a run if the source has changed enough, and one run per change, however often this is called.

    Lists the source and reads no pixels. Safe to call at any time, from anywhere, also twice at once.

    Exit codes: 0 nothing to do, or a run is under way; 75 call again later: the source is still being written, another
    call is starting the run, a failed run's pause is not over, or a server does not answer; 1 gave up after
    --max-attempts; 2 bad settings; 42 the source is not fit to train on. With --wait or --local, how the run ended: 0
    pushed, 3 refused by the gate, 1 failed, 124 still running at the timeout.
    """
    from pipeline.kubeflow.submit import check_shared_places, check_source, prepare
    from pipeline.retrain import telling
    from pipeline.retrain.change_key import for_fingerprint
    from pipeline.retrain.clock import SystemClock
    from pipeline.retrain.following import follow_run, run_here
    from pipeline.retrain.kubeflow_runs import KubeflowRuns
    from pipeline.retrain.local_runs import LocalRuns
    from pipeline.retrain.retraining import Retraining, RetrainOrder
    from pipeline.run_records.webhook import webhook_of

    hook = webhook_of(webhook, webhook_private)
    package = there.package()
    here = LocalRuns(parameters.run.data_root) if local else None
    seconds = seconds_to_wait(timeout_minutes)
    if here is None:
        check_shared_places(parameters, there.volume_claim)
        check_source(parameters, package)
        if not there.url and not dry_run:
            raise SettingsError(
                "no Kubeflow Pipelines to run on; give --host, e.g. http://localhost:8888, set KFP_ENDPOINT, or run on "
                "this machine with --local"
            )

    def run_order(kubeflow: "Kubeflow", fingerprint: str) -> "RunOrder":
        known = for_fingerprint(parameters, fingerprint)
        return prepare(kubeflow, package, known, there.volume_claim, there.experiment)

    clock, runs_there = SystemClock(), KubeflowRuns(there.connect, run_order)
    order = RetrainOrder(parameters=parameters, package=package, settings=settings, served=served, is_dry=dry_run)
    with here or contextlib.nullcontext():
        answer = Retraining(order, here or runs_there, clock, StderrLog("retrain")).decide()
        if not as_json:
            say("\n".join(telling.told_lines(answer)))
        if here is not None:
            from rich.console import Console

            leave_record = local_recorder(parameters, webhook, webhook_private)
            answer = run_here(answer, here, parameters, runs_dir, clock, Console(stderr=as_json), leave_record)
        elif wait and not dry_run:
            data_root = parameters.run.data_root
            answer = follow_run(answer, runs_there, data_root, seconds, clock, lambda text: say(text, error=as_json))
            _record_followed(answer, runs_there, hook)
    if as_json:
        typer.echo(telling.as_json(answer))
    elif answer.outcome:
        say(f"{answer.outcome}: {answer.why[-1]}", error=answer.exit_code not in (0, EXIT_FOUND))
    raise typer.Exit(answer.exit_code)


def _record_followed(answer: "RetrainAnswer", runs: "KubeflowRuns", hook: "Webhook | None") -> None:
    """Leaves the record of a run that was followed to its end, as submit does."""
    from pipeline.kubeflow.run_status import ENDINGS
    from pipeline.run_records.collect import record_followed_run
    from pipeline.run_records.delivery import deliver

    if answer.outcome in ENDINGS:
        warn = functools.partial(say, error=True)
        record_followed_run(runs.kubeflow, answer.run_id, functools.partial(deliver, webhook=hook, warn=warn), warn)
