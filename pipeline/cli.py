"""The console command `agrivision`. Heavy libraries are imported inside the commands that need them."""

import dataclasses
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from components import environment
from components.agrivision import LAYOUTS, PAPER_2020, TILE_SIZE_PX
from components.errors import AgrivisionError
from pipeline.parameters import Parameters

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""From a bucket of aerial tiles to a checked, served classifier of crop patterns.

    A first look:  [bold]agrivision synth demo/tiles[/bold], then
    [bold]agrivision run --source-uri demo/tiles --data-root demo/data --models-uri demo/models[/bold].

    Exit codes: 0 done; 2 bad settings; 42 bad data; 75 try again; 1 anything else.""",
)

_PANELS = {
    "ingest": "Ingest",
    "shard": "Shards",
    "train": "Training",
    "gate": "Gate",
}


def _with_parameters(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one option per pipeline parameter, beside its own; it gets them as one Parameters.

    Args:
      defaults: Defaults other than the pipeline's; `...` makes an option required.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def with_options(**values: Any) -> None:
            names = [field.name for field in dataclasses.fields(Parameters)]
            command(Parameters(**{name: values.pop(name) for name in names}), **values)

        options = []
        for field in dataclasses.fields(Parameters):
            panel = _PANELS.get(field.name.split("_")[0], "Places")
            default = defaults.get(field.name, field.default)
            option = typer.Option(help=field.metadata["help"], rich_help_panel=panel, show_default=default != "")
            kind = Annotated[field.type, option]  # type: ignore[name-defined]
            options.append(
                inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            )
        own = list(inspect.signature(command).parameters.values())[1:]
        with_options.__name__ = command.__name__
        with_options.__doc__ = command.__doc__
        with_options.__signature__ = inspect.Signature([*options, *own])  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in (*options, *own)}
        return with_options

    return decorate


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Folder to make; must not exist, or be empty.")],
    layout: Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")] = PAPER_2020,
    num_tiles: Annotated[int, typer.Option(help="How many tiles.")] = 600,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal bytes.")] = 0,
    tile_size_px: Annotated[int, typer.Option(help="Side of a tile, pixels.")] = TILE_SIZE_PX,
    imbalance: Annotated[str, typer.Option(help="mild, or real: 55 to 1 as in the paper's release.")] = "mild",
) -> None:
    """Make look-alike Agriculture-Vision tiles: every layout, every class, reproducible to the byte."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from components.synth.dataset import write_dataset

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("tiles", total=num_tiles)
        summary = write_dataset(
            out,
            layout=layout,
            num_tiles=num_tiles,
            seed=seed,
            tile_size_px=tile_size_px,
            imbalance=imbalance,
            progress=lambda count: progress.advance(task, count),
        )
    size = f"{summary.num_bytes / 1e6:.0f} MB"
    typer.echo(f"wrote {summary.num_tiles:,} tiles of {summary.num_fields:,} fields to {out} ({size})")


@app.command()
@_with_parameters(source_uri=..., data_root="data", models_uri="models")
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
    from pipeline.watch import run_and_watch

    run_and_watch(parameters, runs_dir, Console())


@app.command()
def mirror(
    source_uri: Annotated[str, typer.Argument(help="Where the tiles are: a folder, or a gs:// or s3:// URI.")],
    target_uri: Annotated[str, typer.Argument(help="Where to copy them: a folder or gs:// URI.")],
) -> None:
    """Copy tiles, above all from s3://, to where every environment can read them. Run again, it goes on.

    Reading s3:// needs the ingest environment: `make mirror SOURCE=s3://bucket/tiles TO=tiles` makes it and uses it.
    """
    from components.mirror import mirror as copy
    from components.progress import StepLog

    typer.echo(copy(source_uri, target_uri, StepLog("mirror")))


@app.command("compile")
def compile_pipeline(
    out: Annotated[Path | None, typer.Option(help="The YAML file; by default the committed one.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the file is not current.")] = False,
) -> None:
    """Compile the pipeline to the YAML that Kubeflow Pipelines runs. AGRIVISION_IMAGE names the image of its steps."""
    from pipeline.compile import COMPILED, compile_to, is_current

    target = out or COMPILED
    if not check:
        compile_to(target)
        typer.echo(f"compiled to {target}")
    elif not is_current(target):
        raise AgrivisionError(f"{target} is not what the code compiles to; run agrivision compile and commit it")


@app.command()
@_with_parameters()
def submit(
    parameters: Parameters,
    *,
    host: Annotated[str, typer.Option(help="The Kubeflow Pipelines endpoint, e.g. http://localhost:8888.")],
    experiment: Annotated[str, typer.Option(help="The experiment that the run belongs to.")] = "agrivision",
    timeout_minutes: Annotated[int, typer.Option(help="How long to wait for the run's end; 0 does not wait.")] = 1440,
) -> None:
    """Upload the compiled pipeline as a version, start a run on Kubeflow Pipelines, wait for it, print links."""
    from pipeline.submit import submit_and_wait

    submit_and_wait(parameters, host=host, experiment=experiment, timeout_minutes=timeout_minutes, echo=typer.echo)


@app.command()
def verify(
    manifest: Annotated[str, typer.Argument(help="A dataset's manifest.json, a file or gs:// URI.")],
    data_root: Annotated[str | None, typer.Option(help="Where its shards are, if the manifest was moved.")] = None,
    leaks: Annotated[
        bool,
        typer.Option("--leaks", help="Check instead that no field, window or picture is in two splits."),
    ] = False,
) -> None:
    """Check every shard of a dataset against its manifest: size, hash, number of records."""
    from components.shard.leaks import check_leaks
    from components.shard.verify import verify_manifest

    typer.echo(check_leaks(manifest, data_root) if leaks else verify_manifest(manifest, data_root))


@app.command()
def plan(
    source_uri: Annotated[str, typer.Option(help="Where the tiles are: a folder, or gs://<bucket>/<folder>.")] = "",
    num_tiles: Annotated[int, typer.Option(help="How many tiles, where there is no source yet.")] = 0,
    tile_kb: Annotated[int, typer.Option(help="Images of one tile, kB; Agriculture-Vision's have about 200.")] = 200,
    train_num_workers: Annotated[int, typer.Option(help="Worker processes.")] = Parameters.train_num_workers,
    shard_size_mb: Annotated[int, typer.Option(help="Size of a shard, MB.")] = Parameters.shard_size_mb,
    shard_tile_size_px: Annotated[int, typer.Option(help="As for run.")] = Parameters.shard_tile_size_px,
    ingest_layout: Annotated[str, typer.Option(help="As for run.")] = Parameters.ingest_layout,
    ingest_classes: Annotated[str, typer.Option(help="As for run.")] = Parameters.ingest_classes,
    ingest_seed: Annotated[int, typer.Option(help="As for run.")] = Parameters.ingest_seed,
    ingest_val_percent: Annotated[int, typer.Option(help="As for run.")] = Parameters.ingest_val_percent,
    ingest_test_percent: Annotated[int, typer.Option(help="As for run.")] = Parameters.ingest_test_percent,
) -> None:
    """Tell how many shards a source would become, and why; writes nothing."""
    from components.ingest.plan import explain_plan
    from components.ingest.settings import IngestSettings
    from components.progress import StepLog

    settings = IngestSettings(
        layout=ingest_layout,
        classes=ingest_classes,
        seed=ingest_seed,
        val_percent=ingest_val_percent,
        test_percent=ingest_test_percent,
        num_workers=train_num_workers,
        shard_size_mb=shard_size_mb,
        tile_size_px=shard_tile_size_px,
    )
    typer.echo("\n".join(explain_plan(source_uri, num_tiles, tile_kb, settings, StepLog("plan"))))


@app.command()
def drift(
    manifest: Annotated[str, typer.Argument(help="A dataset's manifest.json, a file or gs:// URI.")],
    earlier: Annotated[str, typer.Argument(help="The manifest of the dataset to compare it with.")],
) -> None:
    """Tell whether a dataset has shifted against an earlier one: its classes, and the brightness of its bands.

    The first line is the verdict. A shift is a result, not an error: the exit code is 0.
    """
    from components.shard.drift import compare_manifests
    from components.shard.drift_report import drift_text

    typer.echo(drift_text(compare_manifests(manifest, earlier)))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A models URI (its production model) or one version's folder.")],
    rgb: Annotated[Path, typer.Option(help="RGB image of the tile, JPEG or PNG.")],
    nir: Annotated[Path | None, typer.Option(help="NIR image, where the model takes one.")] = None,
    boundary: Annotated[Path | None, typer.Option(help="PNG, 255 inside the field.")] = None,
    mask: Annotated[Path | None, typer.Option(help="PNG, 255 where pixels are usable.")] = None,
) -> None:
    """Ask a pushed model about one tile: the probability of every class, and whether it passes its threshold."""
    from pipeline.quiet import import_tensorflow

    import_tensorflow()
    from components.push.predict import predict as ask

    for name, answer in ask(model, rgb, nir, boundary, mask).items():
        typer.echo(f"{name:<22} {answer.probability:.3f}  {'yes' if answer.predicted else 'no'}")


@app.command()
def rollback(models_uri: Annotated[str, typer.Argument(help="Where model versions are kept.")]) -> None:
    """Put the previous model version back into production."""
    from components.push.pointer import rollback as roll_back

    typer.echo(roll_back(models_uri))


def main() -> None:
    """Runs the command; an error that a user can mend is one line and its exit code."""
    environment.quiet_tensorflow()
    try:
        app()
    except AgrivisionError as error:
        typer.echo(f"agrivision: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
