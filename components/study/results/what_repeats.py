"""What of a result must be the same in every run on any machine: everything but what is measured.

An experiment says of its numbers whether they are measured, where it makes them (`is_measured`).
"""

from typing import Any

import msgspec

from components.contracts.study import StudyResult


def what_repeats(result: StudyResult) -> dict[str, Any]:
    """Returns the result without its machine, and without numbers that a clock or the system told.

    Left out are measured rounds of tables, values of matrices, lines of curves and values of findings, and the numbers
    and words of verdicts that follow from them. What stays is what was asked, settings, witnesses with the loss of
    every step, what happened or did not, and scores.
    """
    kept: dict[str, Any] = msgspec.to_builtins(result)
    del kept["machine"]
    measured = {table.name for table in result.tables if not table.repeats}
    for table in kept["tables"]:
        if table["name"] in measured:
            table["rounds"] = len(table["rounds"])
        table["settings"] = {name: _without_machine(each) for name, each in table["settings"].items()}
        table["witnesses"] = {
            name: {key: value for key, value in each.items() if key != "machine"}
            for name, each in table["witnesses"].items()
        }
    for matrix in kept["matrices"]:
        if matrix["is_measured"]:
            del matrix["values"]
    for curve in kept["curves"]:
        if curve["is_measured"]:
            del curve["y"], curve["low"], curve["high"]
    for finding, verdict in zip(kept["findings"], kept["verdicts"], strict=True):
        if finding["is_measured"] or finding["table"] in measured:
            del finding["values"]
            for name in ("verdict", "reason", "estimate", "interval", "again", "again_interval"):
                del verdict[name]
    return kept


def _without_machine(settings: dict[str, Any]) -> dict[str, Any]:
    place = {key: value for key, value in settings.get("place", {}).items() if key != "machine"}
    return {**settings, "place": place}
