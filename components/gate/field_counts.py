"""Reads what both models did in each test field, as evaluate wrote it."""

import hashlib
from collections.abc import Mapping

from components import storage
from components.contracts import Evaluation
from components.errors import DataError
from components.scoring.field_lines import counts_from_lines
from components.scoring.field_sums import Counts


def read_counts(data_root: str, evaluation: Evaluation) -> tuple[tuple[str, ...], Mapping[str, Counts]]:
    """Returns the classes, and the counts of "candidate" and "production".

    Raises:
      DataError: if they are missing, or are not those of the evaluation.
    """
    if not evaluation.fields_path or not evaluation.test_set:
        raise DataError(
            "cannot compare with production: the evaluation names no sums by field, because an earlier version made "
            "it; run evaluate again"
        )
    uri = storage.join(data_root, evaluation.fields_path)
    try:
        with storage.local_copy(uri) as local, local.open("rb") as lines:
            sha256 = hashlib.file_digest(lines, "sha256").hexdigest()
            if sha256 != evaluation.fields_sha256:
                raise ValueError(f"its sha256 is {sha256[:16]}…, expected {evaluation.fields_sha256[:16]}…")
            lines.seek(0)
            classes, counts = counts_from_lines(lines)
        if missing := {"candidate", "production"} - counts.keys():
            raise ValueError(f"it holds nothing of {', '.join(sorted(missing))}")
    except FileNotFoundError as error:
        raise DataError(
            f"cannot compare with production, the sums by field at {uri!r} are missing; run the pipeline again, which "
            "evaluates the model again"
        ) from error
    except ValueError as error:
        raise DataError(
            f"cannot compare with production, the sums by field at {uri!r} are unreadable: {error}; "
            f"{storage.delete_it(data_root, uri)} and run the pipeline again, which evaluates the model again"
        ) from error
    return classes, counts
