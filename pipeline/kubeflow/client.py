"""The connection to the Kubeflow Pipelines API: how to reach it, how long to retry, what its errors mean."""

import contextlib
import ipaddress
import json
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import kfp
from kfp_server_api import ApiException
from urllib3 import HTTPResponse, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from components.errors import AgrivisionError, DataError, SettingsError
from components.retrying import NoAnswer, ask_patiently, may_pass, retry_after
from pipeline.kubeflow.time_limit import TimeIsUpError, within

REQUEST_SECONDS = 30  # for one request with its answer; the client itself would wait forever
_LEAST_SECONDS = 5  # for one that is repeated when patience is about to end
_EXTRA_SECONDS = 10  # for what a run is followed without, such as the log of a pod
_CONNECT_SECONDS = 10
# How long to retry a request that is safe to repeat while the API is away, all its requests together.
PATIENCE_SECONDS = 60
_MOST_BYTES = 64_000_000  # of one answer; the largest is the log of a training of many days, some 5 MB a day
_UNAUTHORIZED = 401
_Result = TypeVar("_Result")


class UnauthorizedError(SettingsError):
    """The token is missing or has expired, or may not do this."""


class ConflictError(SettingsError):
    """The thing to create exists already."""


class Kubeflow:
    """One Kubeflow Pipelines server.

    Attributes:
      url: The address of its web page and API.
      namespace: The user's, if the server has several users; otherwise empty.
    """

    def __init__(self, url: str, token: str = "", namespace: str = "", *, insecure_token: bool = False) -> None:
        """Connects.

        Args:
          url: The address; https:// may be left out.
          token: The bearer token; empty for none.
          namespace: See the attribute.
          insecure_token: Whether the token may go to another machine unencrypted.

        Raises:
          SettingsError: if no server answers at `url`, or the token would go to it unencrypted.
        """
        self.url = _address(url)
        _require_token(token)
        self.namespace = namespace
        self._token = token
        self._insecure_token = insecure_token
        try:
            self._client = self._connect()
        except UnsafeTokenError:
            raise
        except AgrivisionError as error:
            raise SettingsError(f"no Kubeflow Pipelines answers at {url!r}: {error}") from error

    def call(self, request: Callable[[Any], _Result], patience_seconds: float = 0) -> _Result:
        """Returns what a request returns. A signal whose handler raises ends it at once.

        Args:
          request: Takes the kfp.Client, of which only the generated parts send a single request; must be safe to repeat
            if `patience_seconds` is above 0.
          patience_seconds: How long to keep trying while the API does not answer or is overloaded.

        Raises:
          SettingsError: if the API refuses the request; ConflictError or UnauthorizedError for these two reasons.
          UnreachableError: if the API did not answer.
        """
        renewed = False
        end = time.monotonic() + (patience_seconds or REQUEST_SECONDS)

        def ask() -> _Result:
            nonlocal renewed
            try:
                return _in_time(lambda: request(self._client), max(end - time.monotonic(), _LEAST_SECONDS))
            except UnauthorizedError:
                if not patience_seconds or renewed:
                    raise
            # A token may have expired meanwhile; the client gets a new one if it knows how.
            renewed = True
            with contextlib.suppress(AgrivisionError):
                self._client = self._connect()
            return ask()

        return ask_patiently(ask, patience_seconds)

    def get(self, path: str, run_id: str, **parts: str) -> bytes:
        """Returns the body of the response to a request that kfp.Client has no method for, and that may fail.

        Args:
          path: Has `{run_id}` and the names of `parts` in braces.

        Raises:
          AgrivisionError: see call; or if the body is larger than anything that is expected.
        """

        def request() -> bytes:
            response = self._client.runs.api_client.call_api(
                path,
                "GET",
                path_params={"run_id": run_id, **parts},
                auth_settings=["Bearer"],
                _return_http_data_only=True,
                _preload_content=False,
            )
            return _body(response)

        return _in_time(request, _EXTRA_SECONDS)

    def _connect(self) -> Any:
        def connect() -> Any:
            client = _Client(self.url, self._token, self.namespace, insecure_token=self._insecure_token)
            client.get_kfp_healthz()
            return client

        return _in_time(connect, REQUEST_SECONDS)


class UnsafeTokenError(SettingsError):
    """A token would go to another machine for everybody on the way to read."""


class _Client(kfp.Client):  # type: ignore[misc]
    """kfp's client, but every request has a limit of time, is sent once, and is not sent on to another address."""

    def __init__(self, url: str, token: str, namespace: str, *, insecure_token: bool) -> None:
        self._insecure_token = insecure_token
        # Permanently: to restore the filters would undo what other threads do to them meanwhile.
        warnings.filterwarnings("ignore", "This client only works with Kubeflow Pipeline", FutureWarning)
        super().__init__(host=url, existing_token=token or None, namespace=namespace or "kubeflow")
        self._limit_requests()

    def _load_config(self, *arguments: Any, **options: Any) -> Any:
        """Refuses to send a token in the open, wherever kfp has it from."""
        config = super()._load_config(*arguments, **options)
        if config.api_key and not self._insecure_token and not _is_private(config.host):
            raise UnsafeTokenError(
                f"the token would go unencrypted to {config.host!r}, for everybody on the way to read; use https://, "
                "or a port forwarded to http://localhost, or send it all the same with --insecure-token"
            )
        return config

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        """Asks once. kfp's own, which its constructor calls, asks five times, without a limit of time."""
        self._limit_requests()
        return self._healthz_api.healthz_service_get_healthz()

    def _limit_requests(self) -> None:
        # All parts of the client share it. Its own retries would multiply with ours, and repeat what must not be.
        manager = self._healthz_api.api_client.rest_client.pool_manager
        send = type(manager).request

        def send_once(method: str, url: str, **options: Any) -> Any:
            timeout = Timeout(connect=min(_CONNECT_SECONDS, REQUEST_SECONDS), read=REQUEST_SECONDS)
            return send(manager, method, url, **{**options, "timeout": timeout, "retries": False, "redirect": False})

        manager.request = send_once


def _with_scheme(url: str) -> str:
    """Returns a URL with its scheme in lower case, which kfp wants; https if it has none.

    Raises:
      SettingsError: for another scheme.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return f"https://{url}"
    if scheme.lower() not in ("http", "https"):
        raise SettingsError(f"Kubeflow Pipelines has an http:// or https:// address, got {url!r}")
    return f"{scheme.lower()}://{rest}"


def _address(url: str) -> str:
    """Returns the address of a server from what may be copied from a browser. It is shown in messages and records.

    Raises:
      SettingsError: for another scheme, or an address that may hold a secret.
    """
    whole = _with_scheme(url)
    address, has_query, _ = whole.partition("#")[0].partition("?")
    if has_query or "@" in whole.partition("://")[2].partition("/")[0]:
        raise SettingsError(
            "the address of Kubeflow Pipelines must hold no user, password or query, as it is shown in links; "
            "give http(s)://<host>[:<port>], and what proves who you are as --token"
        )
    return address.rstrip("/")


def _require_token(token: str) -> None:
    """Refuses a token that no request can hold, without showing it."""
    if not (token.isascii() and token.isprintable()):
        raise SettingsError(
            "the token for Kubeflow Pipelines has a character that no request can hold, such as a line break; "
            "give it without"
        )


def _is_private(url: str) -> bool:
    """Returns whether what is sent to a URL is encrypted, or never leaves this machine."""
    # Parsed as the client does, so that both mean the same host.
    parsed = parse_url(url)
    host = (parsed.host or "").strip("[]")
    if parsed.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_time(request: Callable[[], _Result], seconds: float) -> _Result:
    """Returns what a request returns, with its errors as ours.

    Raises:
      AgrivisionError: see Kubeflow.call.
    """
    seconds = min(seconds, REQUEST_SECONDS)
    try:
        return within(seconds, request)
    except TimeIsUpError as error:
        raise NoAnswer(f"no answer within {seconds:.0f} s") from error
    except (ApiException, HTTPError, OSError) as error:
        raise _meaning(error) from error


def _body(response: HTTPResponse) -> bytes:
    body = response.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        response.close()
        raise DataError(f"an answer of more than {_MOST_BYTES / 1e6:.0f} MB from Kubeflow Pipelines")
    return bytes(body)


def _meaning(error: Exception) -> AgrivisionError:
    if not isinstance(error, ApiException):
        reason = getattr(error, "reason", None) or error
        return NoAnswer(f"no answer: {_one_line(str(reason))}")
    text = f"{error.status} {_message(error)}"
    if error.status in (_UNAUTHORIZED, 403):
        return UnauthorizedError(f"{text}; give a token that may do this, with --token or in KFP_EXISTING_TOKEN")
    if error.status == 409:
        return ConflictError(text)
    if 300 <= (error.status or 0) < 400:
        place = (error.headers or {}).get("Location", "nowhere")
        return SettingsError(f"{error.status} moved to {place!r}; give that address if it is right, or a token")
    if may_pass(error.status):
        return NoAnswer(text, retry_after(error.headers))
    return SettingsError(text)


def _message(error: ApiException) -> str:
    """Returns the API's error message, without the places in its code."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body or ""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        answer = json.loads(body)
        body = answer.get("message") or answer.get("error_message") or answer.get("error") or body
    return _one_line(str(body))[:500] or str(error.reason)


def _one_line(text: str) -> str:
    return " ".join(text.split())
