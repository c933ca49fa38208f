"""Where OpenLineage events go: a file, one JSON object a line, or a server over HTTP, within a bounded time."""

import importlib.util
import threading
from collections.abc import Sequence

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from components import environment, storage
from components.errors import SettingsError, UnreachableError
from components.lineage.ancestors import Ancestors

_SECONDS = 30.0  # for all events together
_ANSWER_SECONDS = 10.0  # for one
_MOST_LABEL = 63  # characters between two dots of a host's name
_SCHEMES = ("http://", "https://")


def send_events(found: Ancestors, target: str) -> str:
    """Writes the events to a file, or sends them to an OpenLineage server; returns a line about it.

    Args:
      target: A file or gs:// URI, or an http(s) URL: with a path, that of the server's endpoint, else /api/v1/lineage.

    Raises:
      SettingsError: if the client of OpenLineage is not installed, or the server refuses the events or redirects.
      UnreachableError: if the server does not take them in time.
    """
    if importlib.util.find_spec("openlineage") is None:
        raise SettingsError("--openlineage needs the extra lineage: pip install 'agrivision-kfp[lineage]'")
    from openlineage.client.serde import Serde

    from components.lineage.events import events_of

    events = list(events_of(found))
    if not target.lower().startswith(_SCHEMES):
        lines = [Serde.to_json(event).encode() + b"\n" for event in events]
        storage.write_bytes(target, b"".join(lines))
        return f"wrote {len(events)} OpenLineage events to {target}"
    host = _send_in_time(target, events)
    return f"sent {len(events)} OpenLineage events to {host}"


def _send_in_time(target: str, events: Sequence[object]) -> str:
    """Sends the events in a thread, which no server can hold longer than this waits."""
    try:
        parts = parse_url(target)
    except LocationParseError:
        parts = Url()
    if not parts.host or parts.auth or max(map(len, parts.host.split("."))) > _MOST_LABEL:
        raise SettingsError("--openlineage must be http(s)://<host>[:<port>][/<path>], without a user or a password")
    host = f"{parts.scheme}://{parts.netloc}"  # a path or a query may hold a secret
    failures: list[Exception] = []

    def send() -> None:
        try:
            _send(host, parts.request_uri, events)
        except Exception as error:  # told in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    if thread.is_alive():
        raise UnreachableError(f"{host} did not take all OpenLineage events in {_SECONDS:g} s; send them again")
    if failures:
        raise _as_ours(host, failures[0]) from failures[0]
    return host


def _send(host: str, path: str, events: Sequence[object]) -> None:
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
    from requests import Session

    key = environment.openlineage_api_key()
    with Session() as session:
        session.max_redirects = 0  # the first one is an error
        session.stream = True  # no answer's body is read, however long it is
        config = HttpConfig(
            url=host,
            endpoint=path.lstrip("/") or "api/v1/lineage",
            timeout=_ANSWER_SECONDS,
            auth=ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({}),
            session=session,
            retry={"total": 2, "backoff_factor": 0.5, "status_forcelist": [], "allowed_methods": ["POST"]},
        )
        transport = HttpTransport(config)
        for event in events:
            transport.emit(event)  # type: ignore[arg-type]


def _as_ours(host: str, error: Exception) -> Exception:
    """Returns what a user can do about an error of requests; any other is returned as it is."""
    from requests import exceptions

    if isinstance(error, exceptions.TooManyRedirects):
        return SettingsError(f"{host} redirects OpenLineage events, which follow no redirect; give its own address")
    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status < 500:
            return SettingsError(f"{host} refused an OpenLineage event with status {status}; is the path right?")
        return UnreachableError(f"{host} answered an OpenLineage event with status {status}; send them again later")
    if isinstance(error, exceptions.RequestException):
        return UnreachableError(f"{host} does not take OpenLineage events ({type(error).__name__}); is it running?")
    return error
