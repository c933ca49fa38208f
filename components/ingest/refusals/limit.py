"""Refuses a source of which too much is ignored: most likely it is not what its owner takes it for."""

import collections
from collections.abc import Collection, Mapping

from components.contracts import IgnoredFiles, WhyIgnored
from components.errors import DataError
from components.ignored import by_reason

_NUM_REASONS = 4  # named in an error


def require_few_ignored(
    ignored: Collection[IgnoredFiles], num_taken: int, taken_of_class: Mapping[str, int], source_uri: str, limit: float
) -> None:
    """Refuses a source of which more than the share `limit` is ignored, as a whole or in one class.

    Only the reasons count that may hide a mistake, WhyIgnored.is_limited; in a class, documents do not count either.

    Args:
      num_taken: Files that are used or rejected; `taken_of_class` those of each class.

    Raises:
      DataError: if it is more; names the reasons with a file each.
    """
    counted = [row for row in ignored if row.reason.is_limited]
    num_ignored = sum(row.num_files for row in counted)
    if num_ignored > limit * (num_taken + num_ignored):
        raise DataError(_text("files", counted, num_ignored, num_taken, source_uri, limit))
    of_class: dict[str, list[IgnoredFiles]] = collections.defaultdict(list)
    for row in counted:
        if row.class_name and row.reason is not WhyIgnored.DOCUMENT:
            of_class[row.class_name].append(row)
    for name, rows in sorted(of_class.items()):
        num_ignored, num_taken = sum(row.num_files for row in rows), taken_of_class.get(name, 0)
        if num_ignored > limit * (num_taken + num_ignored):
            raise DataError(_text(f"files of the class {name}", rows, num_ignored, num_taken, source_uri, limit))


def _text(
    what: str, rows: Collection[IgnoredFiles], num_ignored: int, num_taken: int, source_uri: str, limit: float
) -> str:
    reasons = sorted(by_reason(rows), key=lambda item: -item[1])[:_NUM_REASONS]
    named = "; ".join(f"{count:,} x {reason.text} (e.g. {names[0]})" for reason, count, names in reasons)
    total = num_taken + num_ignored
    return (
        f"{num_ignored:,} of {total:,} {what} under {source_uri!r} would be ignored, {num_ignored / total:.1%}, "
        f"more than ingest_max_ignored_fraction={limit:g} allows: {named}"
    )
