"""Which pod a launch runs in, and whether that of another launch has ended; see launch/lease.py.

A pod is known by its uid, which no other pod ever has. That there is none of that uid means that it is gone, but only
to who asks the same cluster: two clusters may train on one bucket. A cluster is known by the uid of the account that
both launches run as, which Kubernetes writes into the account's token.
"""

import base64
import re
from pathlib import Path

import msgspec

from components.errors import AgrivisionError
from components.train.launch.pods import pod_status
from components.train.launch.pods.api import Kubernetes
from components.train.launch.pods.api_answers import NOT_FOUND, Refused

_TOKEN_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
# Account's uid, namespace, pod's name and uid. All of it becomes a part of a request.
_PLACE = re.compile(r"([0-9a-f-]{36})/([a-z0-9-]{1,63})/([a-z0-9][a-z0-9.-]{0,127})/([0-9a-f-]{36})", re.ASCII)


class PodWhereabouts:
    """The whereabouts of a launch in the pod of a step."""

    def __init__(self, api: Kubernetes, pod: tuple[str, str], token_file: Path = _TOKEN_FILE) -> None:
        """Finds out where this launch is.

        Args:
          api: The cluster that the launch starts pods on.
          pod: Name and uid of the step's pod; empty outside a cluster.
          token_file: The token of the account that it runs as.
        """
        self._api = api
        self._account = _account_uid(token_file)
        self._place = "/".join((self._account, api.namespace, *pod))

    def place(self) -> str:
        """See launch.lease.Whereabouts."""
        return self._place if _PLACE.fullmatch(self._place) else ""

    def has_ended(self, place: str) -> bool:
        """See launch.lease.Whereabouts."""
        match = _PLACE.fullmatch(place)
        if match is None or not self.place():
            return False
        account, namespace, name, uid = match.groups()
        if (account, namespace) != (self._account, self._api.namespace):
            return False
        try:
            pod = self._api.get("pod", namespace, name, patience_seconds=0.0).body
        except Refused as error:
            return error.status == NOT_FOUND
        except AgrivisionError:  # the server does not answer, which says nothing of the pod
            return False
        return pod["metadata"]["uid"] != uid or pod_status.has_ended(pod)


def _account_uid(token_file: Path) -> str:
    """Returns the uid of the account that a token is of; empty if it does not say."""
    try:
        _, claims, _ = token_file.read_text().strip().split(".")
        decoded = msgspec.json.decode(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return str(decoded["kubernetes.io"]["serviceaccount"]["uid"])
    except (OSError, ValueError, TypeError, KeyError):  # msgspec's and base64's errors are ValueErrors
        return ""
