"""Why a request is refused: a status and one line, which goes to the client as `{"error": ...}`."""

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from components.printable import printable

_MOST_CHARACTERS = 400  # a line may repeat names that the client chose
_RETRY_SECONDS = 1


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
      status: The HTTP status.
      text: One printable line that names the input and what was expected.
      headers: Further headers of the answer.
      why: A word for the metrics.
    """

    def __init__(self, status: HTTPStatus, text: str, why: str, headers: dict[str, str] | None = None) -> None:
        # What a client sent may be megabytes, of which the first words are shown.
        line = printable(" ".join(text[: 2 * _MOST_CHARACTERS].split()))
        self.text = line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"
        super().__init__(self.text)
        self.status, self.why, self.headers = status, why, headers or {}


def bad_request(text: str) -> Refusal:
    """Returns the refusal of a request that does not follow the protocol."""
    return Refusal(HTTPStatus.BAD_REQUEST, text, "malformed")


def too_large(text: str) -> Refusal:
    """Returns the refusal of what exceeds a limit of bytes, tiles or pixels."""
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, "too_large")


def unusable_tile(text: str) -> Refusal:
    """Returns the refusal of a tile that the checks, or the model, do not take."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, text, "unusable_tile")


def wrong_type(text: str) -> Refusal:
    """Returns the refusal of a body of another type."""
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, "wrong_type")


def too_slow(text: str) -> Refusal:
    """Returns the refusal of a client that does not send its body in time."""
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, text, "too_slow", {"Connection": "close"})


def not_now(text: str, why: str, retry_seconds: int = _RETRY_SECONDS) -> Refusal:
    """Returns the refusal of what may succeed later."""
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, text, why, {"Retry-After": str(retry_seconds)})


def error_body(text: str) -> bytes:
    """Returns the body of a refusal."""
    return msgspec.json.encode({"error": text}) + b"\n"


def as_response(refusal: Refusal) -> Response:
    """Returns the answer that a refusal is."""
    return Response(error_body(refusal.text), int(refusal.status), refusal.headers, "application/json")
