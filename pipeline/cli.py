"""The console command `agrivision`. Each command imports the heavy libraries it needs itself."""

import sys

import typer

from components import environment
from components.errors import as_user_error
from components.printable import printable
from pipeline.commands import (
    costs,
    datasets,
    lineage,
    maps,
    models,
    records,
    registry,
    retraining,
    runs,
    serving,
    studies,
)
from pipeline.commands.options import with_plain_places
from pipeline.terminal import say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""Turn a bucket of aerial tiles into a tested, served classifier of crop patterns.

    To try it:  [bold]agrivision synth demo/tiles[/bold], then
    [bold]agrivision run --source-uri demo/tiles --data-root demo/data --models-uri demo/models[/bold].

    Exit codes: 0 done; 2 bad settings; 42 bad data; 75 try again; 1 any other error.""",
)

# In the order a newcomer needs them; --help lists them in this order.
app.command()(with_plain_places(datasets.synth))
app.command()(with_plain_places(runs.run))
app.command()(with_plain_places(runs.sweep))
app.command()(with_plain_places(costs.forecast))
app.command()(with_plain_places(datasets.mirror))
app.command("compile")(with_plain_places(runs.compile_pipeline))
app.command()(with_plain_places(runs.submit))
app.command()(with_plain_places(retraining.retrain))
app.command()(with_plain_places(records.collect))
app.command()(with_plain_places(datasets.verify))
app.command()(with_plain_places(datasets.plan))
app.command()(with_plain_places(datasets.drift))
app.command()(with_plain_places(models.predict))
app.command("score")(with_plain_places(maps.score_fields))
app.command("serve")(with_plain_places(serving.serve_model))
app.command()(with_plain_places(serving.canary))
app.command()(with_plain_places(models.rollback))
app.command()(with_plain_places(lineage.lineage))
app.command()(with_plain_places(studies.study))
app.add_typer(registry.app, name="models")


def main() -> None:
    """Runs the command; an error the user can fix prints one line and sets the exit code."""
    environment.speak_utf8()
    environment.quiet_tensorflow()
    try:
        app()
    except Exception as error:
        mendable = as_user_error(error)
        if mendable is None:
            raise
        say(f"agrivision: {printable(str(mendable))}", error=True)  # one line, even if it names a file with a newline
        sys.exit(mendable.exit_code)


if __name__ == "__main__":
    main()
