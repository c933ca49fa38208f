"""What the answers of the Kubernetes API mean, and what is done about each.

| answer                                 | what is done                                                                |
|----------------------------------------|-----------------------------------------------------------------------------|
| none, or one that may pass             | asked again, see components/retrying.py                                     |
| 401                                    | the token is read anew, as Kubernetes renews it; asked again, a few times   |
| 400, 403, 404, 409, 422 and all others | final: one line names the object, the reason and the way out                |

What is asked again may have been done the first time: whoever creates an object must expect to find it.
"""

import dataclasses
import datetime
import email.utils
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from components.errors import EXIT_SETTINGS, AgrivisionError

UNAUTHORIZED, NOT_FOUND, CONFLICT = 401, 404, 409
_WAYS_OUT = {
    UNAUTHORIZED: "the account's token is not accepted, even when it is read anew",
    403: "the account of the train step needs the launcher's Role in that namespace, see manifests/base",
    NOT_FOUND: "is there such a namespace, and for a jobset its controller?",
    CONFLICT: "another launch may have changed it",
    422: "is a setting of the node pool, or of a volume, not what Kubernetes expects?",
}


class Refused(AgrivisionError):
    """The API server's answer is final.

    Attributes:
      status: HTTP status.
    """

    exit_code = EXIT_SETTINGS

    def __init__(self, what: str, status: int, reason: str) -> None:
        """Makes the line.

        Args:
          what: was asked, such as "create job 'x'".
        """
        super().__init__(f"cannot {what}: {reason}; {_WAYS_OUT.get(status, f'the API server answered {status}')}")
        self.status = status


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the API server said.

    Attributes:
      body: The object.
      server_time: Seconds since 1970, by the server's clock.
    """

    body: dict[str, Any]
    server_time: float


def reason_of(status: int, body: str | bytes | None, reason: str | None) -> str:
    """Returns, in one line, why a request failed: from the Status object that Kubernetes answers with, if it did."""
    try:
        return " ".join(str(msgspec.json.decode(body or b"")["message"]).split())
    except (msgspec.DecodeError, TypeError, KeyError):
        return f"HTTP {status} {' '.join((reason or '').split())}".strip()


def server_time(headers: Mapping[str, str]) -> float:
    """Returns seconds since 1970 by the clock of the server, and by ours if it does not say."""
    date = headers.get("Date")
    return email.utils.parsedate_to_datetime(date).timestamp() if date else time.time()


def seconds_of(time_text: str) -> float:
    """Returns a time as Kubernetes writes it, such as "2026-11-24T15:00:00Z", in seconds since 1970."""
    return datetime.datetime.fromisoformat(time_text).timestamp()
