"""The one place that reads the record of a run, `runs/<run id>.json` under data_root, for people.

It takes what it finds: a record may be absent, of a later version, or another document altogether.
"""

from typing import Any

import msgspec

from components import storage
from components.contracts import ModelCard
from components.errors import DataError

FOLDER = "runs"
_MOST_BYTES = 1 << 20
_MOST_RECORDS = 500  # that are looked through for a model whose card names no run


def read_run(data_root: str, card: ModelCard) -> tuple[str, dict[str, Any]]:
    """Returns the path under data_root of the record of the run that pushed a model, and its content.

    The card names the run, or else the record names the version.

    Returns:
      An empty path and an empty dict if there is no such record.
    """
    if card.lineage and card.lineage.run:
        path = f"{FOLDER}/{card.lineage.run}.json"
        return (path, found) if (found := _content(data_root, path)) else ("", {})
    try:
        names = sorted((file.path for file in storage.list_files(storage.join(data_root, FOLDER))), reverse=True)
    except (OSError, DataError):
        return "", {}
    for name in names[:_MOST_RECORDS]:
        found = _content(data_root, f"{FOLDER}/{name}") if name.endswith(".json") and "/" not in name else {}
        if found.get("model_version") == card.version:
            return f"{FOLDER}/{name}", found
    return "", {}


def _content(data_root: str, path: str) -> dict[str, Any]:
    try:
        uri = storage.join(data_root, path)
        if (storage.size(uri) or 0) > _MOST_BYTES:
            return {}
        found = msgspec.json.decode(storage.read_bytes(uri))
    except (OSError, DataError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
