"""The command that starts a run when a source has changed. It imports its heavy libraries itself."""

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components import environment
from components.errors import EXIT_FOUND, SettingsError
from pipeline.commands.options import with_parameters, with_settings
from pipeline.commands.records import WebhookOption, WebhookPrivateOption, local_recorder
from pipeline.parameters import Parameters
from pipeline.retrain.settings import RetrainSettings
from pipeline.terminal import say

if TYPE_CHECKING:
    from pipeline.kubeflow.client import Kubeflow
    from pipeline.kubeflow.submit import Order as RunOrder
    from pipeline.retrain.kubeflow_runs import KubeflowRuns
    from pipeline.retrain.retraining import RetrainAnswer
    from pipeline.run_records.webhook import Webhook


@with_parameters(file=True)
@with_settings(RetrainSettings)
def retrain(
    parameters: Parameters,
    settings: RetrainSettings,
    *,
    served: Annotated[
        str, typer.Option(help="Where agrivision serve --drift-to writes; a shift of it is a reason, too.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="URL of Kubeflow Pipelines, e.g. http://localhost:8888; or KFP_ENDPOINT.")
    ] = "",
    token: Annotated[str, typer.Option(help="Bearer token, if the server needs one; or KFP_EXISTING_TOKEN.")] = "",
    insecure_token: Annotated[
        bool, typer.Option("--insecure-token", help="Send the token even unencrypted, to an http:// address elsewhere.")
    ] = False,
    namespace: Annotated[str, typer.Option(help="Your namespace, if Kubeflow has several users.")] = "",
    experiment: Annotated[str, typer.Option(help="Experiment that the run belongs to.")] = "agrivision",
    image: Annotated[str, typer.Option(help="Image of the steps; replaces the compiled one.")] = "",
    ingest_image: Annotated[str, typer.Option(help="Image of ingest, shard and merge for an s3:// source.")] = "",
    version: Annotated[str, typer.Option(help="Name of the pipeline version; default: commit and content.")] = "",
    volume_claim: Annotated[str, typer.Option(help="Volume claim that every step mounts at /mnt/agrivision.")] = "",
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
    from pipeline.kubeflow.package import make_package
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
    package = make_package(bool(volume_claim), image, version, ingest_image)
    url = host or environment.kfp_endpoint()
    here = LocalRuns(parameters.run.data_root) if local else None
    if here is None:
        if timeout_minutes <= 0:
            raise SettingsError(f"--timeout-minutes must be above 0, got {timeout_minutes:g}")
        check_shared_places(parameters, volume_claim)
        check_source(parameters, package)
        if not url and not dry_run:
            raise SettingsError(
                "no Kubeflow Pipelines to run on; give --host, e.g. http://localhost:8888, set KFP_ENDPOINT, or run on "
                "this machine with --local"
            )

    def connect() -> "Kubeflow":
        from pipeline.kubeflow.client import Kubeflow

        return Kubeflow(url, token or environment.kfp_token(), namespace, insecure_token=insecure_token)

    def run_order(kubeflow: "Kubeflow", fingerprint: str) -> "RunOrder":
        return prepare(kubeflow, package, for_fingerprint(parameters, fingerprint), volume_claim, experiment)

    clock, there = SystemClock(), KubeflowRuns(connect, run_order)
    order = RetrainOrder(parameters=parameters, package=package, settings=settings, served=served, is_dry=dry_run)
    with here or contextlib.nullcontext():
        answer = Retraining(order, here or there, clock, telling.StderrLog("retrain")).decide()
        if not as_json:
            say("\n".join(telling.told_lines(answer)))
        if here is not None:
            from rich.console import Console

            leave_record = local_recorder(parameters, webhook, webhook_private)
            answer = run_here(answer, here, parameters, runs_dir, clock, Console(stderr=as_json), leave_record)
        elif wait and not dry_run:
            data_root, seconds = parameters.run.data_root, 60 * timeout_minutes
            answer = follow_run(answer, there, data_root, seconds, clock, lambda text: say(text, error=as_json))
            _record_followed(answer, there, hook)
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
