"""The commands that make, copy, plan, check and compare data. Each imports its heavy libraries itself."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.agrivision import LAYOUTS, PAPER_2020, TILE_SIZE_PX
from components.errors import EXIT_FOUND, EXIT_UNDECIDED, SettingsError
from components.ingest.settings import IngestSettings
from components.printable import printable
from pipeline.commands.options import with_parameters
from pipeline.terminal import say

_MANIFEST_HELP = "The dataset's manifest.json, a file or a gs:// URI; or its folder, or a data_root with one dataset."


def synth(
    out: Annotated[str, typer.Argument(help="Folder to create; must be empty if it exists.")],
    layout: Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")] = PAPER_2020,
    num_tiles: Annotated[int, typer.Option(help="Number of tiles.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    tile_size_px: Annotated[int, typer.Option(help="Side of a tile, in pixels.")] = TILE_SIZE_PX,
    imbalance: Annotated[str, typer.Option(help="mild, or real for 55 to 1 as in the paper's release.")] = "mild",
) -> None:
    """Generate synthetic Agriculture-Vision tiles: every layout, every class, reproducible to the byte."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from components import storage
    from components.synth.dataset import write_dataset

    if not out or storage.is_remote(out):
        raise SettingsError(f"tiles are written to a folder of this machine, got {out!r}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("tiles", total=num_tiles)
        summary = write_dataset(
            Path(out),
            layout=layout,
            num_tiles=num_tiles,
            seed=seed,
            tile_size_px=tile_size_px,
            imbalance=imbalance,
            progress=lambda count: progress.advance(task, count),
        )
    size = f"{summary.num_bytes / 1e6:.0f} MB"
    say(f"wrote {summary.num_tiles:,} tiles of {summary.num_fields:,} fields to {printable(out)} ({size})")


def mirror(
    source_uri: Annotated[str, typer.Argument(help="Where the tiles are: a folder, or a gs:// or s3:// URI.")],
    target_uri: Annotated[str, typer.Argument(help="Where to copy them: a folder or gs:// URI.")],
) -> None:
    """Copy tiles, usually from s3://, to where every environment can read them. Run it again to resume.

    Reading s3:// needs the ingest environment; `make mirror SOURCE=s3://bucket/tiles TO=tiles` builds and uses it.
    """
    from components.mirror import mirror as copy
    from components.progress import StepLog

    say(printable(copy(source_uri, target_uri, StepLog("mirror"))))


def verify(
    manifest: Annotated[str, typer.Argument(help=_MANIFEST_HELP)],
    data_root: Annotated[str | None, typer.Option(help="Where its shards are, if the manifest was moved.")] = None,
    leaks: Annotated[
        bool,
        typer.Option("--leaks", help="Check instead that no field, window or picture is in two splits."),
    ] = False,
) -> None:
    """Check every shard of a dataset against its manifest: size, hash, number of records."""
    from components.dataset.audit.leaks import check_leaks
    from components.dataset.audit.verify import verify_manifest

    say(str(check_leaks(manifest, data_root) if leaks else verify_manifest(manifest, data_root)))


@with_parameters(
    settings_type=IngestSettings,
    only=(
        "train_num_workers",
        "shard_size_mb",
        "shard_tile_size_px",
        "ingest_layout",
        "ingest_classes",
        "ingest_seed",
        "ingest_val_percent",
        "ingest_test_percent",
        "ingest_max_ignored_fraction",
    ),
)
def plan(
    settings: IngestSettings,
    *,
    source_uri: Annotated[str, typer.Option(help="Where the tiles are: a folder, or gs://<bucket>/<folder>.")] = "",
    num_tiles: Annotated[int, typer.Option(help="Number of tiles, if there is no source yet.")] = 0,
    tile_kb: Annotated[int, typer.Option(help="Image data per tile, in kB; about 200 in Agriculture-Vision.")] = 200,
) -> None:
    """Show how many shards a source would become, and why; write nothing."""
    from components.ingest.plan_explained import explain_plan
    from components.progress import StepLog

    say("\n".join(explain_plan(source_uri, num_tiles, tile_kb, settings, StepLog("plan"))))


def drift(
    manifest: Annotated[str, typer.Argument(help=_MANIFEST_HELP)],
    earlier: Annotated[str, typer.Argument(help="The earlier dataset to compare with, likewise.")] = "",
    served: Annotated[
        str, typer.Option(help="Compare instead what was served: where agrivision serve --drift-to writes.")
    ] = "",
    version: Annotated[str, typer.Option(help="With --served: of the model; by default the one served last.")] = "",
    hours: Annotated[float, typer.Option(min=0, help="With --served: only the last so many hours; 0 is all.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="With --served: print one JSON object.")] = False,
) -> None:
    """Report whether a dataset has shifted from an earlier one, in its classes or the brightness of its bands.

    The first line is the verdict. A shift is a result, not an error: the exit code is still 0.

    With --served, compare the tiles that a model was asked about, and its answers, with the dataset. The verdict is
    retrain (exit code 3), keep (0) or undecided (4), which is all that too few tiles can lead to.
    """
    if bool(earlier) == bool(served):
        raise SettingsError("give either an earlier dataset or --served, to compare with")
    if served:
        _drift_of_served(manifest, served, version, hours, as_json)
        return
    if version or hours or as_json:
        raise SettingsError("--version, --hours and --json go with --served")
    from components.dataset.drift.compare import compare_manifests
    from components.dataset.drift.show import drift_text

    say(drift_text(compare_manifests(manifest, earlier)))


def _drift_of_served(manifest: str, served: str, version: str, hours: float, as_json: bool) -> None:
    import msgspec

    from components.dataset.drift.compare import read_dataset
    from components.dataset.drift.served_compare import compare_served
    from components.dataset.drift.served_findings import ToDo
    from components.dataset.drift.served_sums import read_served
    from components.dataset.drift.show import served_text

    found = compare_served(read_served(served, version, hours), read_dataset(manifest))
    say(msgspec.json.encode(found.as_dict()).decode() if as_json else served_text(found))
    exit_codes = {ToDo.KEEP: 0, ToDo.RETRAIN: EXIT_FOUND, ToDo.UNDECIDED: EXIT_UNDECIDED}
    raise typer.Exit(exit_codes[found.to_do])
