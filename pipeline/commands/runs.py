"""The commands that run the pipeline, here or on Kubeflow Pipelines. Each imports its heavy libraries itself."""

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.errors import AgrivisionError, SettingsError
from components.sweep.settings import SweepSettings
from pipeline.commands.kubeflow_options import RunThereOptions, seconds_to_wait
from pipeline.commands.options import with_options_as, with_parameters
from pipeline.commands.records import WebhookOption, WebhookPrivateOption, local_recorder
from pipeline.commands.sweep_options import with_sweep
from pipeline.parameters import Parameters
from pipeline.terminal import say


@with_parameters(source_uri=..., data_root="data", models_uri="models")
def run(
    parameters: Parameters,
    *,
    runs_dir: Annotated[Path, typer.Option(help="Where to keep each run's log, reports and summary.json.")] = Path(
        "runs"
    ),
    webhook: WebhookOption = "",
    webhook_private: WebhookPrivateOption = False,
) -> None:
    """Run the whole pipeline on this machine, without a cluster: ingest, shard, merge, train, evaluate, gate, push.

    The run's log, reports and summary.json are in runs/latest, and its record is in the folder runs of data_root. A
    second run, even after a crash, redoes only what is missing. A model that the gate refuses is a result, not an
    error: the exit code is still 0.
    """
    from pipeline.local.watch import run_and_watch

    run_and_watch(parameters, runs_dir, Console(), local_recorder(parameters, webhook, webhook_private))


@with_parameters(source_uri=..., data_root="data", models_uri="models")
@with_sweep(required=True)
def sweep(
    parameters: Parameters,
    *,
    sweep: SweepSettings,
    runs_dir: Annotated[Path, typer.Option(help="Where to keep each run's log, reports and summary.json.")] = Path(
        "runs"
    ),
    webhook: WebhookOption = "",
    webhook_private: WebhookPrivateOption = False,
) -> None:
    """Try settings of training on this machine: all on one dataset, the best trained for longer, judged and pushed.

    Give what to vary with --search, e.g. --search learning_rate=1e-4..1e-2:log --search backbone=small,mobilenet_v2.
    The trials are compared on val, with an interval over their seeds. A second run, even after a crash, trains only
    what is missing. The same seed and space give the same trials. On Kubeflow: agrivision submit --search.
    """
    from pipeline.local.watch import run_and_watch
    from pipeline.steps.proposing import sweep_line
    from pipeline.sweep_form import propose_sweep

    say(sweep_line(propose_sweep(parameters, sweep)))
    run_and_watch(parameters, runs_dir, Console(), local_recorder(parameters, webhook, webhook_private), sweep)


def compile_pipeline(
    out: Annotated[Path | None, typer.Option(help="YAML file to write; by default the committed files.")] = None,
    volume: Annotated[bool, typer.Option("--volume", help="With --out: the variant that mounts a volume.")] = False,
    scoring: Annotated[bool, typer.Option("--scoring", help="With --out: the pipeline that makes maps.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="With --out: the pipeline that tries settings.")] = False,
    study: Annotated[bool, typer.Option("--study", help="With --out: the pipeline of the study.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is out of date.")] = False,
) -> None:
    """Compile the pipelines to the YAML that Kubeflow Pipelines runs. AGRIVISION_IMAGE sets the image of its steps."""
    from pipeline import compile as compiled

    asked = {"--scoring": scoring, "--sweep": sweep, "--study": study}
    if len(given := [option for option, is_given in asked.items() if is_given]) > 1:
        raise SettingsError(f"{' and '.join(given)} name several pipelines; give one of them")
    names = {"--scoring": compiled.SCORING, "--sweep": compiled.SWEEP, "--study": compiled.STUDY}
    name = names[given[0]] if given else compiled.TRAINING
    targets = {(name, volume): out} if out else compiled.COMMITTED
    for (each, mounts), target in targets.items():
        if not check:
            compiled.compile_to(target, mounts, each)
            say(f"compiled to {target}")
        elif not compiled.is_current(target, mounts, each):
            raise AgrivisionError(f"{target} is not what the code compiles to; run agrivision compile and commit")


@with_parameters(file=True)
@with_sweep(required=False)
@with_options_as("there", RunThereOptions)
def submit(
    parameters: Parameters,
    *,
    sweep: SweepSettings | None,
    there: RunThereOptions,
    cron: Annotated[str, typer.Option(help='Run on a schedule: "0 0 3 * * *" is 3:00:00 UTC every day.')] = "",
    wait: Annotated[bool, typer.Option(help="Follow the run to its end; otherwise only print its id.")] = True,
    timeout_minutes: Annotated[float, typer.Option(help="How long to wait for the run to end.")] = 1440,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as a last line of JSON.")] = False,
    webhook: WebhookOption = "",
    webhook_private: WebhookPrivateOption = False,
) -> None:
    """Upload the compiled pipeline as a version, start a run on Kubeflow Pipelines, and follow it to its end.

    With --search, the run is a sweep, as agrivision sweep does it here; up to four trials train at the same time.

    Exit codes: 0 pushed; 3 refused by the gate; 1 failed; 2 bad settings; 124 still running at the timeout;
    75 Kubeflow stopped answering; 130 or 143 interrupted, which also terminates the run.
    """
    from pipeline.cost.limit import check_max_cost
    from pipeline.kubeflow.run_status import ENDINGS
    from pipeline.kubeflow.submit import EndedError, check_shared_places, check_source, prepare, run_and_follow, start
    from pipeline.run_records.collect import record_followed_run
    from pipeline.run_records.delivery import deliver
    from pipeline.run_records.webhook import webhook_of
    from pipeline.steps.proposing import sweep_line
    from pipeline.sweep_form import propose_sweep, sweep_values

    seconds = seconds_to_wait(timeout_minutes)
    hook = webhook_of(webhook, webhook_private)
    check_shared_places(parameters, there.volume_claim)
    if sweep:
        say(sweep_line(propose_sweep(parameters, sweep)), error=True)
    if parameters.train.max_cost:
        check_max_cost(parameters)
    package = there.package(sweep_values(sweep) if sweep else None)
    check_source(parameters, package)
    if not there.url:
        raise SettingsError(
            "no Kubeflow Pipelines to run on; give --host, e.g. http://localhost:8888, or set KFP_ENDPOINT"
        )
    kubeflow = there.connect()
    claim, experiment = there.volume_claim, there.experiment
    if cron or not wait:
        identity, page = start(kubeflow, prepare(kubeflow, package, parameters, claim, experiment), cron)
        say(identity)
        say(page, error=True)
        return
    submission = run_and_follow(kubeflow, package, parameters, claim, experiment, seconds, say)
    if submission.outcome in ENDINGS:
        warn = functools.partial(say, error=True)
        record_followed_run(kubeflow, submission.run_id, functools.partial(deliver, webhook=hook, warn=warn), warn)
    if submission.outcome in ("pushed", "refused"):
        say(f"{submission.outcome}: {submission.message}")
    if as_json:
        typer.echo(submission.to_json())
    if submission.outcome == "refused":
        raise typer.Exit(submission.exit_code)
    if submission.exit_code:
        raise EndedError(submission.message, submission.exit_code)
