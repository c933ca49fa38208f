"""Turns requests away before any path sees them: those of foreign web pages, and those that can be read in two ways.

A browser lets any page send requests to a server on the same machine. Two headers tell such requests apart. `Host`
holds the name that the page was loaded by, also when that name was made to resolve to this machine after the page was
loaded (DNS rebinding). `Sec-Fetch-Site`, or of older browsers `Origin`, says whether a page of another site asks. A
page can set none of them. Programs send neither of the last two.
"""

import ipaddress
import re
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serve.answer import HEADER
from components.serve.body import linger
from components.serve.metrics import ServerMetrics
from components.serve.refusal import Refusal, as_response, bad_request
from components.serve.settings import ANY_NAME

LARGEST_HEADERS = 32 << 10  # bytes of a request's headers
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(:\d{1,5})?", re.IGNORECASE)
_READS_ONLY = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = ("same-origin", "none")  # `none` is a person's doing, such as a bookmark
# Each decides what is done with a request; given twice, two programs on its way may see two requests.
_ONCE = ("host", "origin", "sec-fetch-site", "content-type", "content-encoding", HEADER.lower())


class Guard:
    """An application around another, which gets only the requests that are let in."""

    def __init__(self, app: ASGIApp, names: Collection[str], metrics: ServerMetrics) -> None:
        """Lets requests in by the names that clients may use; IP addresses and localhost are always among them."""
        self._app, self._names, self._metrics = app, names, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a request, or passes it on."""
        request = Request(scope, receive)
        try:
            check_headers(request.method, request.headers, self._names)
        except Refusal as refusal:
            self._metrics.turned_away.labels(refusal.why).inc()
            await linger(request)
            response: Response = as_response(refusal)
            response.headers["Connection"] = "close"  # what follows on it is not trusted either
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def check_headers(method: str, headers: Headers, names: Collection[str]) -> None:
    """Checks what a request says of itself.

    Args:
      names: Lowercase names that clients may use; with ANY_NAME among them, any.

    Raises:
      Refusal: if a foreign page may have sent it, or its headers are too large or contradict each other.
    """
    if (size := sum(len(name) + len(value) for name, value in headers.raw)) > LARGEST_HEADERS:
        text = f"the headers of a request may have {LARGEST_HEADERS:,} bytes, got {size:,}"
        raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text, "too_large")
    if "Content-Length" in headers and "Transfer-Encoding" in headers:
        raise bad_request("a request may have Content-Length or Transfer-Encoding, got both; give one")
    for name in _ONCE:
        if len(headers.getlist(name)) > 1:
            raise bad_request(f"the header {name} is given twice; give it once")
    host = headers.get("Host")
    _check_host(host, names)
    if method not in _READS_ONLY:
        _check_site(host or "", headers, names)


def _check_host(host: str | None, names: Collection[str]) -> None:
    if host is None:  # HTTP/1.0, which no browser speaks
        return
    if (name := _name_in(host)) is None:
        raise bad_request(f"Host must be a name or an address, and perhaps a port; got {host[:80]!r}")
    if not (ANY_NAME in names or name in names or _is_here(name)):
        text = f"this server is not known by the name {name[:80]!r}; if it is yours, start it with --host-names"
        raise _foreign(text, "foreign_host")


def _check_site(host: str, headers: Headers, names: Collection[str]) -> None:
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is None and origin is None:
        return
    if site is not None:
        is_own = site in _OWN_SITE
    else:
        address = str(origin).lower().partition("://")[2]
        is_own = address == host.lower() or _name_in(address) in names
    if not is_own:
        raise _foreign(
            f"the page {str(origin)[:80]!r} is not of this server, and must not ask it; ask from a program, or put "
            "both behind one address",
            "foreign_page",
        )


def _name_in(host: str) -> str | None:
    found = _HOST.fullmatch(host)
    return found[1].lower().removesuffix(".") if found else None


def _is_here(name: str) -> bool:
    """Tells whether a name cannot be given to another machine first and to this one later."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _foreign(text: str, why: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, text, why)
