"""Sends an event to a webhook: where it may go, how often it is tried, and what an answer means.

| answer                        | what it means                                                                  |
|-------------------------------|--------------------------------------------------------------------------------|
| 2xx                           | delivered                                                                      |
| 410                           | the receiver wants no more of it: never sent again                             |
| none, 408, 429, 5xx           | tried again, see components/retrying.py, for at most 20 s; then left to collect |
| all others, 3xx among them    | not delivered, and left to the next collect: somebody has to mend it           |

The address is the operator's setting. It is still kept from what an operator would not want: a redirect is not
followed, no proxy of the environment is used, and the connection goes to the very address that was looked up and
checked.
"""

import dataclasses
import ipaddress
import socket
import time
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Timeout, Url, parse_url

from components import environment
from components.errors import SettingsError
from components.retrying import NoAnswer, ask_patiently, may_pass, retry_after
from pipeline.kubeflow.time_limit import TimeIsUpError, within
from pipeline.run_records.event import CONTENT_TYPE, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

PATIENCE_SECONDS = 20.0  # for all tries together
REQUEST_SECONDS = 10.0  # for one, however slowly the answer drips
_LEAST_SECRET = 16  # characters
_GONE = 410


class NotDelivered(Exception):
    """The receiver did not take an event; the message says why, without the address."""


class Away(NotDelivered):
    """The receiver did not answer, for as long as there is patience for it."""


class Gone(NotDelivered):
    """The receiver wants no event any more."""


@dataclasses.dataclass(frozen=True)
class Webhook:
    """Where events go. Its text holds neither the secret nor the path and the query, which may be secrets as well.

    Attributes:
      url: With scheme and host.
      secret: Signs the events.
      is_private: Whether it may be this machine or one of a private network, and then without TLS.
    """

    url: str = dataclasses.field(repr=False)
    secret: str = dataclasses.field(repr=False)
    is_private: bool = False

    def __post_init__(self) -> None:
        """Refuses an address that no event may go to.

        Raises:
          SettingsError: says why, without the address.
        """
        parsed = _parsed(self.url)
        if parsed.auth:
            raise SettingsError("--webhook must hold no user and password; the signature says who sends")
        if parsed.scheme != "https" and not (parsed.scheme == "http" and self.is_private):
            raise SettingsError(
                "--webhook must be an https:// address; http:// is for this machine or a private network, "
                "with --webhook-private"
            )
        if len(self.secret) < _LEAST_SECRET:
            raise SettingsError(
                f"AGRIVISION_WEBHOOK_SECRET must have at least {_LEAST_SECRET} characters, got {len(self.secret)}; "
                "it signs the events, and the receiver checks them with it"
            )

    def __str__(self) -> str:
        parsed = _parsed(self.url)
        return f"{parsed.scheme}://{parsed.netloc}"


def webhook_of(url: str, is_private: bool) -> Webhook | None:
    """Returns the webhook that a command or the environment names; None if neither does.

    Raises:
      SettingsError: see Webhook.
    """
    of_environment, secret = environment.webhook()
    return Webhook(url or of_environment, secret, is_private) if url or of_environment else None


def send_event(webhook: Webhook, body: bytes) -> None:
    """Sends an event, again and again while there is hope.

    Raises:
      Away: if the receiver does not answer.
      Gone: if the receiver wants none any more.
      NotDelivered: if it did not take it.
    """

    def once() -> None:
        try:
            within(REQUEST_SECONDS, lambda: _send_once(webhook, body))
        except TimeIsUpError as error:
            raise NoAnswer(f"no answer within {REQUEST_SECONDS:g} s") from error

    try:
        ask_patiently(once, PATIENCE_SECONDS)
    except NoAnswer as error:
        raise Away(str(error)) from error


def _send_once(webhook: Webhook, body: bytes) -> None:
    parsed = _parsed(webhook.url)
    timestamp = int(time.time())
    headers = {
        "Host": parsed.netloc or "",
        "Content-Type": CONTENT_TYPE,
        "User-Agent": "agrivision",
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: signature(webhook.secret, timestamp, body),
    }
    try:
        with _pool(parsed, _address(parsed, webhook.is_private)) as pool:
            answer = pool.urlopen(
                "POST",
                parsed.request_uri,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,  # what it says is of no interest, however much it is
            )
            status, told = answer.status, dict(answer.headers)
            answer.close()
    except (HTTPError, OSError, UnicodeError) as error:
        raise NoAnswer(f"no answer: {type(error).__name__}") from error  # its text has the address
    if 200 <= status < 300:
        return
    if status == _GONE:
        raise Gone("410: the receiver wants no more events")
    if may_pass(status):
        raise NoAnswer(f"answered {status}", retry_after(told))
    hint = ", which is not followed; give the address that it leads to" if 300 <= status < 400 else ""
    raise NotDelivered(f"answered {status}{hint}")


def _parsed(url: str) -> Url:
    try:
        parsed = parse_url(url)
    except LocationParseError:
        parsed = Url()
    if not parsed.host:
        raise SettingsError("--webhook must be an https:// address, as in https://example.com/agrivision")
    return parsed


def _address(parsed: Url, is_private: bool) -> str:
    """Returns the IP address to connect to.

    Every address of the name is checked, since which of them is tried first is chance.

    Raises:
      NotDelivered: if no event may go to one of them.
      OSError: if the name has none.
    """
    host = (parsed.host or "").strip("[]")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        if _is_public(address) and parsed.scheme != "https":
            raise NotDelivered("its name leads to a public address, to which nothing is sent without https://")
        if not _is_public(address) and not is_private:
            raise NotDelivered("its name leads to a private address; allow that with --webhook-private")
    return addresses[0]


def _is_public(text: str) -> bool:
    address: Any = ipaddress.ip_address(text.partition("%")[0])
    return bool((getattr(address, "ipv4_mapped", None) or address).is_global)


def _pool(parsed: Url, address: str) -> urllib3.HTTPConnectionPool:
    timeout = Timeout(total=REQUEST_SECONDS)
    host = (parsed.host or "").strip("[]")
    if parsed.scheme == "https":
        return urllib3.HTTPSConnectionPool(
            address, parsed.port or 443, timeout=timeout, server_hostname=host, assert_hostname=host
        )
    return urllib3.HTTPConnectionPool(address, parsed.port or 80, timeout=timeout)
