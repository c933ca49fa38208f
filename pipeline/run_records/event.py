"""The event that tells of a run's end: a CloudEvent 1.0 in structured JSON, and its signature."""

import hashlib
import hmac
import os

import msgspec

from components import storage
from components.contracts import RunRecord
from components.run_records.record_file import FOLDER

TYPE = "io.agrivision.run.ended"
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
TIMESTAMP_HEADER, SIGNATURE_HEADER = "Agrivision-Timestamp", "Agrivision-Signature"


def event_id(record: RunRecord) -> str:
    """Returns the id of the event, which is the same each time: by it, a receiver knows one that it has seen."""
    return f"{record.run_id}/{record.outcome.value}"


def event_body(data_root: str, record: RunRecord) -> bytes:
    """Returns the event; the same record gives the same bytes.

    Args:
      data_root: What the source is named by.
    """
    source = data_root if storage.is_remote(data_root) else f"file://{os.path.abspath(data_root)}"
    event = {
        "specversion": "1.0",
        "id": event_id(record),
        "source": source,
        "type": TYPE,
        "subject": f"{FOLDER}/{record.run_id}.json",
        "time": record.ended,
        "datacontenttype": "application/json",
        "data": record,
    }
    return msgspec.json.encode(event, order="sorted")


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Returns what proves that an event comes from who knows the secret, and when it was sent.

    HMAC-SHA256 over `<timestamp>.<body>`, in hexadecimal, after the version of this rule.

    Args:
      timestamp: Seconds since 1970, as in the header; a receiver refuses one of long ago, which somebody repeats.
    """
    key = os.fsencode(secret)  # the bytes of the environment, whatever they are
    digest = hmac.new(key, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"
