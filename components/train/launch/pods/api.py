"""The only place that talks to the Kubernetes API; what is done about its answers stands in api_answers.py."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3.exceptions
from kubernetes import client, config

from components import environment
from components.errors import SettingsError
from components.retrying import NoAnswer, ask_patiently, may_pass, retry_after
from components.train.launch.pods.api_answers import NOT_FOUND, UNAUTHORIZED, Answer, Refused, reason_of, server_time

_TOKEN_TRIES = 5
_PATIENCE_SECONDS = 180.0
_TIMEOUT_SECONDS = (5, 20)  # to connect, to answer
_LOG_TIMEOUT_SECONDS = (5, 60)  # to connect, from one line to the next
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_COLLECTIONS = {
    "event": "/api/v1/namespaces/{}/events",
    "job": "/apis/batch/v1/namespaces/{}/jobs",
    "jobset": "/apis/jobset.x-k8s.io/v1alpha2/namespaces/{}/jobsets",
    "networkpolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "pod": "/api/v1/namespaces/{}/pods",
    "service": "/api/v1/namespaces/{}/services",
}


class Kubernetes:
    """The API of one cluster: that of KUBECONFIG, else the one that this process runs in.

    Attributes:
      namespace: Where this process runs, or where kubectl would look.
    """

    namespace: str

    def __init__(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Reads where it is.

        Args:
          patience_seconds: How long a request is tried.

        Raises:
          SettingsError: if there is no cluster.
        """
        self._patience = patience_seconds
        self._load()

    def create(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Creates an object, and returns it; a Refused with status CONFLICT says that one of its name exists."""
        name = body["metadata"]["name"]
        return self._request("POST", kind, body["metadata"]["namespace"], "", f"create {kind} {name!r}", body=body).body

    def get(self, kind: str, namespace: str, name: str, patience_seconds: float | None = None) -> Answer:
        """Returns an object; a Refused with status NOT_FOUND says that there is none."""
        return self._request("GET", kind, namespace, f"/{name}", f"read {kind} {name!r}", patience=patience_seconds)

    def select(self, kind: str, namespace: str, **selectors: str) -> list[dict[str, Any]]:
        """Returns the objects that a `labelSelector` or `fieldSelector` selects."""
        answer = self._request("GET", kind, namespace, "", f"list {kind}s", query=selectors)
        return list(answer.body.get("items") or [])

    def patch(self, kind: str, namespace: str, name: str, body: Mapping[str, Any], patience_seconds: float) -> None:
        """Merges `body` into an object."""
        what = f"change {kind} {name!r}"
        self._request("PATCH", kind, namespace, f"/{name}", what, body=body, patience=patience_seconds)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Deletes an object, and then what it owns; one that is gone is as good."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        try:
            self._request("DELETE", kind, namespace, f"/{name}", f"delete {kind} {name!r}", body=options)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise

    def read_log(self, namespace: str, pod: str, **query: str | int) -> bytes:
        """Returns a pod's log; nothing if there is none to be had."""
        try:
            with self._open_log(namespace, pod, query) as response:
                return bytes(response.data)
        except (client.ApiException, urllib3.exceptions.HTTPError):
            return b""

    def follow_log(self, namespace: str, pod: str, **query: str | int) -> Iterator[bytes]:
        """Yields what a pod writes, as it writes it, with time stamps; ends when the connection does."""
        try:
            with self._open_log(namespace, pod, {"follow": "true", "timestamps": "true", **query}) as response:
                yield from response.stream(amt=None, decode_content=False)
        except (client.ApiException, urllib3.exceptions.HTTPError):
            return

    def _open_log(self, namespace: str, pod: str, query: Mapping[str, str | int]) -> Any:
        path = f"{_COLLECTIONS['pod'].format(namespace)}/{pod}/log"
        return self._call("GET", path, query, None, _LOG_TIMEOUT_SECONDS, is_log=True)

    def _request(
        self,
        method: str,
        kind: str,
        namespace: str,
        path: str,
        what: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patience: float | None = None,
    ) -> Answer:
        what = f"{what} in namespace {namespace!r}"
        path = _COLLECTIONS[kind].format(namespace) + path
        tokens_left = _TOKEN_TRIES

        def no_answer(reason: str, seconds: float = 0.0) -> NoAnswer:
            return NoAnswer(f"cannot {what}: the API server does not answer, {reason[:200]}; run again", seconds)

        def ask() -> Answer:
            nonlocal tokens_left
            try:
                content, _, headers = self._call(method, path, query or {}, body, _TIMEOUT_SECONDS)
            except client.ApiException as error:
                reason = reason_of(error.status, error.body, error.reason)
                if error.status == UNAUTHORIZED and tokens_left:
                    tokens_left -= 1
                    self._load()
                elif not may_pass(error.status):
                    raise Refused(what, error.status, reason) from error
                raise no_answer(reason, retry_after(error.headers)) from error
            except urllib3.exceptions.HTTPError as error:
                raise no_answer(str(error)) from error
            if not isinstance(content, dict):
                raise no_answer("the answer is no JSON object")
            return Answer(content, server_time(headers))

        return ask_patiently(ask, self._patience if patience is None else patience)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: Mapping[str, Any] | None,
        timeout: tuple[int, int],
        is_log: bool = False,
    ) -> Any:
        merge = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        return self._client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "*/*" if is_log else "application/json", **merge},
            body=body,
            response_type="object",
            auth_settings=["BearerToken"],
            _preload_content=not is_log,
            _return_http_data_only=is_log,
            _request_timeout=timeout,
        )

    def _load(self) -> None:
        settings = client.Configuration()
        settings.retries = False  # what is tried again is decided here
        if not (files := environment.kubeconfig()) and _NAMESPACE_FILE.is_file():
            config.load_incluster_config(client_configuration=settings)
            settings.proxy = None  # some versions of the client take one from https_proxy; no proxy knows this address
            self.namespace = _NAMESPACE_FILE.read_text().strip()
        else:
            try:
                config.load_kube_config(config_file=files or None, client_configuration=settings)
                _, context = config.list_kube_config_contexts(config_file=files or None)
            except config.ConfigException as error:
                raise SettingsError(f"no Kubernetes cluster: {error}; run in a pod, or set KUBECONFIG") from error
            self.namespace = context["context"].get("namespace", "default")
        self._client = client.ApiClient(settings)
