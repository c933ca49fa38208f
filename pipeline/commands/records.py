"""The command that gives runs their records, and tells of them."""

import datetime
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from components import storage
from components.errors import EXIT_TRY_AGAIN, SettingsError
from components.places import require_data_root
from components.printable import printable_json
from pipeline.commands.kubeflow_options import ServerOptions
from pipeline.commands.options import with_options_as
from pipeline.parameters import Parameters
from pipeline.terminal import say

if TYPE_CHECKING:
    from pipeline.local.watch import LocalRun

_MOST_DAYS = 3650
WebhookOption = Annotated[
    str,
    typer.Option(
        help="Address that is told of a run's end, signed with AGRIVISION_WEBHOOK_SECRET; AGRIVISION_WEBHOOK."
    ),
]
WebhookPrivateOption = Annotated[
    bool,
    typer.Option("--webhook-private", help="The webhook may be on this machine or a private network, also http://."),
]


@with_options_as("there", ServerOptions)
def collect(
    there: ServerOptions,
    *,
    since_days: Annotated[float, typer.Option(help="How far back to look for runs, in days.")] = 14,
    run: Annotated[str, typer.Option(help="Only the run with this id, however old it is.")] = "",
    data_root: Annotated[
        str,
        typer.Option(
            help="Only runs with this data_root; for runs on a volume, its folder on this machine. Without a host, "
            "only the records that lie there are told of."
        ),
    ] = "",
    webhook: WebhookOption = "",
    webhook_private: WebhookPrivateOption = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the newest runs to this file, as a comment on a pull request.")
    ] = None,
    reports: Annotated[
        Path | None, typer.Option(help="Copy the newest runs' records and data reports to this folder.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the newest records, one a line, newest first.")
    ] = False,
) -> None:
    """Write the record of every run that has ended, runs/<run id>.json beneath its data_root, and tell of it.

    A run that was terminated or failed, or that nobody followed, gets its record here. Repeating it changes nothing.
    Runs that have not ended are named.

    Exit codes: 0 every ended run has its record; 2 bad settings, or a run whose record cannot be written from here;
    42 a damaged record; 75 Kubeflow or a bucket did not answer, or the run of --run has not ended: try again later.
    """
    from pipeline.run_records.collect import collect_here, collect_lost, collect_runs, runs_to_collect
    from pipeline.run_records.comment import comment_of
    from pipeline.run_records.delivery import Deliveries
    from pipeline.run_records.reports import copy_reports
    from pipeline.run_records.webhook import webhook_of

    if not 0 < since_days <= _MOST_DAYS:
        raise SettingsError(f"--since-days must be above 0 and at most {_MOST_DAYS}, got {since_days:g}")
    hook = webhook_of(webhook, webhook_private)
    warn = functools.partial(say, error=True)
    tell = Deliveries(hook, warn)
    now = datetime.datetime.now(datetime.UTC)
    since = now - datetime.timedelta(days=since_days)
    if not there.url and (run or not data_root):
        raise SettingsError(
            "no Kubeflow Pipelines to ask; give --host, e.g. http://localhost:8888, or set KFP_ENDPOINT; "
            "or give --data-root alone, to tell of the records that lie there"
        )
    require_data_root(data_root)
    if there.url:
        kubeflow = there.connect()
        lost = collect_lost(kubeflow, data_root, run, tell) if run and data_root else None
        runs = runs_to_collect(kubeflow, since, run)
        collected = lost or collect_runs(kubeflow, runs, data_root, now, tell, warn)
    else:
        collected = collect_here(data_root, since, tell, warn)
    tell.end()
    if markdown:
        storage.write_bytes(str(markdown), comment_of(collected.records, collected.going).encode())
    if reports:
        copy_reports(collected.newest, reports, warn)
    if as_json:
        for record in collected.records:
            typer.echo(printable_json(msgspec.json.encode(record).decode()))
    # What is for people goes where it does not get between the lines of JSON.
    elsewhere = f", {collected.num_elsewhere:,} have another data_root" if collected.num_elsewhere else ""
    say(
        f"wrote {collected.num_written:,} records; {collected.num_known:,} were complete before{elsewhere}",
        error=as_json,
    )
    for each in collected.going:
        say(f"still going: {each}", error=as_json)
    if run and collected.going:
        raise typer.Exit(EXIT_TRY_AGAIN)
    if collected.exit_code:
        raise typer.Exit(collected.exit_code)


def local_recorder(parameters: Parameters, webhook: str, webhook_private: bool) -> "Callable[[LocalRun], None]":
    """Returns what leaves the record of a run on this machine, and tells of it."""
    from pipeline.run_records.local_record import record_local_run
    from pipeline.run_records.webhook import webhook_of

    return functools.partial(
        record_local_run,
        parameters.run.data_root,
        webhook=webhook_of(webhook, webhook_private),
        warn=functools.partial(say, error=True),
    )
