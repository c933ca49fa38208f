"""The command that serves a pushed model over HTTP. It needs the extra `serve`, which is imported when it runs."""

import importlib.util
from typing import Annotated

import typer

from components.errors import EXIT_FOUND, EXIT_UNDECIDED, SettingsError
from components.serve.canary.settings import CanarySettings
from components.serve.settings import ServeSettings
from pipeline.commands.options import with_settings
from pipeline.terminal import say

_NEEDED = ("starlette", "uvicorn", "prometheus_client")


@with_settings(ServeSettings)
def serve_model(
    settings: ServeSettings,
    *,
    model: Annotated[
        str, typer.Argument(help="A models URI, whose channel is followed, or the folder of one version.")
    ],
) -> None:
    """Serve a pushed model over HTTP: the V2 inference protocol, metrics, and a page to try it.

    Follows a channel: when it is moved, the next model takes the place of the one before, and no request is dropped.
    Ends on SIGTERM or Ctrl-C, when the requests that it has accepted are answered.
    """
    _require_extra("serve")
    from components.serve.server import run_server

    run_server(model, settings)


@with_settings(CanarySettings)
def canary(
    settings: CanarySettings,
    *,
    stable: Annotated[list[str], typer.Option(help="Address of a server of the stable version; once for each.")],
    canary: Annotated[list[str], typer.Option(help="Address of a server of the canary; once for each.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare a canary with the stable version: errors, latency and drift; promote or withdraw it.

    Reads /metrics and the sums for drift of both. The verdict is promote (exit code 0), withdraw (3) or undecided (4),
    which is all that too few requests can lead to. With --models-uri it moves the channel.
    """
    _require_extra("canary")
    import dataclasses

    import msgspec

    from components.serve.canary.acting import act, watch
    from components.serve.canary.verdict import Outcome

    verdict = watch(stable, canary, settings)
    moved = act(verdict, settings)
    if as_json:
        say(msgspec.json.encode({**dataclasses.asdict(verdict), "moved": moved}).decode())
    else:
        versions = f"{verdict.canary_version} against {verdict.stable_version}"
        requests = f"{verdict.canary_requests:,} requests against {verdict.stable_requests:,}"
        say("\n".join(filter(None, (f"{verdict.outcome}: {verdict.reason}", f"{versions}, {requests}", moved))))
    exit_codes = {Outcome.PROMOTE: 0, Outcome.WITHDRAW: EXIT_FOUND, Outcome.UNDECIDED: EXIT_UNDECIDED}
    raise typer.Exit(exit_codes[verdict.outcome])


def _require_extra(command: str) -> None:
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise SettingsError(
            f"agrivision {command} needs {', '.join(missing)}, which is not installed here; "
            "run pip install 'agrivision-kfp[serve]'"
        )
