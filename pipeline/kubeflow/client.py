"""The connection to the Kubeflow Pipelines API: how to reach it, how long to retry, what its errors mean."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import kfp
from kfp_server_api import ApiException
from urllib3.exceptions import HTTPError

from components.errors import AgrivisionError, SettingsError
from components.retrying import NoAnswer, ask_patiently, may_pass, retry_after

REQUEST_SECONDS = 60  # for one request; the client itself would wait forever
# How long to retry a request that is safe to repeat while the API is away.
PATIENCE_SECONDS = 60
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

    Raises:
      SettingsError: if no server answers at `url`.
    """

    def __init__(self, url: str, token: str = "", namespace: str = "") -> None:
        self.url = url.rstrip("/")
        self.namespace = namespace
        self._token = token
        try:
            self._client = self._connect()
        except AgrivisionError as error:
            raise SettingsError(f"no Kubeflow Pipelines answers at {url!r}: {error}") from error

    def call(self, request: Callable[[Any], _Result], patience_seconds: float = 0) -> _Result:
        """Returns what a request returns.

        Args:
          request: Takes the kfp.Client; must be safe to repeat if `patience_seconds` is above 0.
          patience_seconds: How long to keep trying while the API does not answer or is overloaded.

        Raises:
          SettingsError: if the API refuses the request; ConflictError or UnauthorizedError for these two reasons.
          UnreachableError: if the API did not answer.
        """
        renewed = False

        def ask() -> _Result:
            nonlocal renewed
            try:
                with _quiet():
                    return request(self._client)
            except (ApiException, HTTPError, OSError) as error:
                meaning = _meaning(error)
                if not (isinstance(meaning, UnauthorizedError) and patience_seconds and not renewed):
                    raise meaning from error
            # A token may have expired meanwhile; the client gets a new one if it knows how.
            renewed = True
            with contextlib.suppress(AgrivisionError):
                self._client = self._connect()
            return ask()

        return ask_patiently(ask, patience_seconds)

    def get(self, path: str, run_id: str, **parts: str) -> Any:
        """Returns the response, to be read as a stream, to a request that kfp.Client has no method for.

        Args:
          path: Has `{run_id}` and the names of `parts` in braces.
        """
        return self.call(
            lambda client: client.runs.api_client.call_api(
                path,
                "GET",
                path_params={"run_id": run_id, **parts},
                auth_settings=["Bearer"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=REQUEST_SECONDS,
            )
        )

    def _connect(self) -> Any:
        try:
            with _quiet():
                client = kfp.Client(
                    host=self.url, existing_token=self._token or None, namespace=self.namespace or "kubeflow"
                )
                client.healthzs.healthz_service_get_healthz(_request_timeout=REQUEST_SECONDS)
        except (ApiException, HTTPError, OSError) as error:
            raise _meaning(error) from error
        return client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the client's links, its warning about servers of 2022 and its tracebacks off the terminal."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _meaning(error: Exception) -> AgrivisionError:
    if not isinstance(error, ApiException):
        reason = getattr(error, "reason", None) or error
        return NoAnswer(f"no answer: {_one_line(str(reason))}")
    text = f"{error.status} {_message(error)}"
    if error.status in (_UNAUTHORIZED, 403):
        return UnauthorizedError(f"{text}; give a token that may do this, with --token or in KFP_EXISTING_TOKEN")
    if error.status == 409:
        return ConflictError(text)
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
