"""What of a result must be the same in every run on any machine: everything but what is measured."""

from typing import Any

import msgspec

from components.contracts.study import StudyResult
from components.study.claims.claims_file import Claims

# Units of what a machine takes: times, what follows from them, and memory.
_MEASURED = ("s", "ms", "min", "h", "tiles/s", "USD", "MB", "MiB", "bytes")


def what_repeats(result: StudyResult, claims: Claims) -> dict[str, Any]:
    """Returns the result without its machine, and without numbers of time, money and memory.

    Left out are the rounds of tables in such units, values of matrices and curves that are in them or say that they
    were measured, and the numbers of verdicts that follow from them. What stays is what was asked, settings, witnesses
    with the loss of every step, and scores.
    """
    kept: dict[str, Any] = msgspec.to_builtins(result)
    del kept["machine"]
    timed = {table.name for table in result.tables if table.unit in _MEASURED}
    for table in kept["tables"]:
        if table["name"] in timed:
            table["rounds"] = len(table["rounds"])
        table["settings"] = {name: _without_machine(each) for name, each in table["settings"].items()}
        table["witnesses"] = {
            name: {key: value for key, value in each.items() if key != "machine"}
            for name, each in table["witnesses"].items()
        }
    for matrix in kept["matrices"]:
        if matrix["is_measured"] or matrix["unit"] in _MEASURED:
            del matrix["values"]
    for curve in kept["curves"]:
        if curve["is_measured"] or _unit_of(curve["y_title"]["english"]) in _MEASURED:
            del curve["y"], curve["low"], curve["high"]
    for finding, verdict in zip(kept["findings"], kept["verdicts"], strict=True):
        claim = claims.by_id[finding["claim"]]
        if finding["table"] in timed or claim.how_judged.is_timed or claim.unit in _MEASURED:
            del finding["values"]
            for name in ("verdict", "reason", "estimate", "interval", "again", "again_interval"):
                del verdict[name]
    return kept


def _unit_of(title: str) -> str:
    """Returns what stands behind the last comma of an axis: "peak memory, MB" is in MB."""
    return title.rpartition(",")[2].strip()


def _without_machine(settings: dict[str, Any]) -> dict[str, Any]:
    place = {key: value for key, value in settings.get("place", {}).items() if key != "machine"}
    return {**settings, "place": place}
