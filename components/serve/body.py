"""Reads the body of a request: of the right type, within its limits, and in time."""

import asyncio
import contextlib

from starlette.requests import ClientDisconnect, Request

from components.serve.admission import HeldBytes
from components.serve.answer import HEADER
from components.serve.refusal import Refusal, bad_request, too_large, too_slow, wrong_type
from components.serve.settings import MIB, ServeSettings

_JSON, _BINARY = "application/json", "application/octet-stream"
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 64 << 20
_MOST_DIGITS = 12


async def read_body(request: Request, held: HeldBytes, settings: ServeSettings) -> tuple[bytes, int | None]:
    """Returns the body, and the length of its JSON if it has the binary extension.

    Raises:
      Refusal: if it is too large, too slow, or of another type.
      ClientDisconnect: if the client has hung up.
    """
    has_begun = False
    try:
        json_bytes = _checked_headers(request, settings)
        has_begun = True
        return await _read(request, held, settings), json_bytes
    except Refusal as refusal:
        await linger(request, has_begun=has_begun)
        refusal.headers["Connection"] = "close"
        raise


def _checked_headers(request: Request, settings: ServeSettings) -> int | None:
    headers = request.headers
    json_length, encoding = headers.get(HEADER), headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise wrong_type(f"Content-Encoding {encoding!r} is not read; send the body as it is")
    expected = (_JSON,) if json_length is None else (_BINARY, _JSON)
    kind = headers.get("Content-Type", expected[0]).partition(";")[0].strip().lower()
    if kind not in expected:
        hint = f"; for {_BINARY} give {HEADER}" if kind == _BINARY else ""
        raise wrong_type(f"Content-Type must be {' or '.join(expected)}, got {kind!r}{hint}")
    length = _number("Content-Length", headers.get("Content-Length"))
    if length is not None and length > settings.request_mib * MIB:
        raise too_large(f"a request may have {settings.request_mib} MiB, got {length:,} bytes")
    return _number(HEADER, json_length)


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise bad_request(f"{name} must be a number of bytes, got {text[:40]!r}")
    return int(text)


async def _read(request: Request, held: HeldBytes, settings: ServeSettings) -> bytes:
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for part in request.stream():
                held.add(len(part))
                if held.num_bytes > settings.request_mib * MIB:
                    raise too_large(f"a request may have {settings.request_mib} MiB, got more")
                parts.append(part)
    except TimeoutError as error:
        raise too_slow(
            f"the body must come within {settings.body_seconds:g} s, got {held.num_bytes:,} bytes"
        ) from error
    return b"".join(parts)


async def linger(request: Request, *, has_begun: bool = False) -> None:
    """Reads and forgets the rest of a body, for a moment.

    A client that is still writing would not read the answer, but see its connection reset.

    Args:
      has_begun: Whether the body is being read; if not, a client that asks before it sends is not told to go on.
    """
    if not has_begun and "100-continue" in request.headers.get("Expect", "").lower():
        return
    num_bytes = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while num_bytes < _LINGER_BYTES:
                message = await request.receive()
                num_bytes += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
