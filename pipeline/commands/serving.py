"""The command that serves a pushed model over HTTP. It needs the extra `serve`, which is imported when it runs."""

import importlib.util
from typing import Annotated

import typer

from components.errors import SettingsError
from components.serve.settings import ServeSettings
from pipeline.commands.options import with_settings

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
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise SettingsError(
            f"agrivision serve needs {', '.join(missing)}, which is not installed here; "
            "run pip install 'agrivision-kfp[serve]'"
        )
    from components.serve.server import run_server

    run_server(model, settings)
