"""The commands that run the pipeline, here or on Kubeflow Pipelines. What is heavy is imported inside each."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components import environment
from components.errors import AgrivisionError, SettingsError
from pipeline.commands.options import with_parameters
from pipeline.parameters import Parameters


@with_parameters(source_uri=..., data_root="data", models_uri="models")
def run(
    parameters: Parameters,
    *,
    runs_dir: Annotated[Path, typer.Option(help="Where the run's log, reports and summary.json are kept.")] = Path(
        "runs"
    ),
) -> None:
    """Run the whole pipeline on this machine, no cluster needed: ingest, shard, merge, train, evaluate, gate, push.

    The run's log, reports and summary.json are in runs/latest. Running it again, after a crash too, redoes only what
    is missing. A model that the gate refuses is a result, not an error: the exit code is 0.
    """
    from pipeline.local.watch import run_and_watch

    run_and_watch(parameters, runs_dir, Console())


def compile_pipeline(
    out: Annotated[Path | None, typer.Option(help="The YAML file; by default the two committed ones.")] = None,
    volume: Annotated[bool, typer.Option("--volume", help="With --out: the one whose steps mount a volume.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is not current.")] = False,
) -> None:
    """Compile the pipeline to the YAML that Kubeflow Pipelines runs. AGRIVISION_IMAGE names the image of its steps."""
    from pipeline.compile import COMPILED, COMPILED_VOLUME, compile_to, is_current

    for target, mounts in [(out, volume)] if out else [(COMPILED, False), (COMPILED_VOLUME, True)]:
        if not check:
            compile_to(target, mounts)
            typer.echo(f"compiled to {target}")
        elif not is_current(target, mounts):
            raise AgrivisionError(f"{target} is not what the code compiles to; run agrivision compile and commit it")


@with_parameters(file=True)
def submit(
    parameters: Parameters,
    *,
    host: Annotated[str, typer.Option(help="Kubeflow Pipelines, e.g. http://localhost:8888; or KFP_ENDPOINT.")] = "",
    token: Annotated[str, typer.Option(help="Bearer token, where it asks for one; or KFP_EXISTING_TOKEN.")] = "",
    namespace: Annotated[str, typer.Option(help="Of the user, where Kubeflow has several.")] = "",
    experiment: Annotated[str, typer.Option(help="The experiment that the run belongs to.")] = "agrivision",
    image: Annotated[str, typer.Option(help="Image of the steps, instead of the compiled one.")] = "",
    ingest_image: Annotated[str, typer.Option(help="Image of ingest, shard and merge, for an s3:// source.")] = "",
    version: Annotated[str, typer.Option(help="Name of the pipeline's version; by default commit and content.")] = "",
    volume_claim: Annotated[str, typer.Option(help="Volume claim that all steps mount at /mnt/agrivision.")] = "",
    cron: Annotated[str, typer.Option(help='Start it again and again: "0 0 3 * * *" is 3:00:00 every day, UTC.')] = "",
    wait: Annotated[bool, typer.Option(help="Follow the run to its end; otherwise print its id only.")] = True,
    timeout_minutes: Annotated[float, typer.Option(help="How long to wait for the run's end.")] = 1440,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of the run as a last line of JSON.")] = False,
) -> None:
    """Upload the compiled pipeline as a version, start a run on Kubeflow Pipelines, follow it to its end.

    Exit codes: 0 pushed; 3 refused by the gate; 1 failed; 2 bad settings; 124 still running when the time was up; 75
    Kubeflow stayed away; 130 and 143 interrupted, which terminates the run.
    """
    from pipeline.kubeflow.client import Kubeflow
    from pipeline.kubeflow.package import make_package
    from pipeline.kubeflow.submit import EndedError, check_shared_places, check_source, run_and_follow, start

    if timeout_minutes <= 0:
        raise SettingsError(f"--timeout-minutes must be above 0, got {timeout_minutes:g}; --no-wait does not wait")
    check_shared_places(parameters, volume_claim)
    package = make_package(bool(volume_claim), image, version, ingest_image)
    check_source(parameters, package)
    if not (url := host or environment.kfp_endpoint()):
        raise SettingsError("where is Kubeflow Pipelines? Give --host, e.g. http://localhost:8888, or set KFP_ENDPOINT")
    kubeflow = Kubeflow(url, token or environment.kfp_token(), namespace)
    if cron or not wait:
        identity, page = start(kubeflow, package, parameters, volume_claim, experiment, cron)
        typer.echo(identity)
        typer.echo(page, err=True)
        return
    submission = run_and_follow(
        kubeflow, package, parameters, volume_claim, experiment, 60 * timeout_minutes, typer.echo
    )
    if submission.outcome in ("pushed", "refused"):
        typer.echo(f"{submission.outcome}: {submission.message}")
    if as_json:
        typer.echo(submission.to_json())
    if submission.outcome == "refused":
        raise typer.Exit(submission.exit_code)
    if submission.exit_code:
        raise EndedError(submission.message, submission.exit_code)
