"""What a call of `agrivision retrain` says: a few lines for people, or one line of JSON."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from components.printable import printable
from pipeline.retrain.reasons import SourceFindings, counted_with_examples
from pipeline.retrain.retraining import Decided, RetrainAnswer
from pipeline.retrain.triggers import utc_time

_MOST_CLASSES = 5  # in the lines for people
_SAID = {
    Decided.STARTED: "started a run",
    Decided.RUNNING: "nothing to start: a run of this change is under way",
    Decided.WOULD_START: "would start a run",
    Decided.ANSWERED: "nothing to start: this change has had its run",
    Decided.UNCHANGED: "nothing to start",
    Decided.NOT_ENOUGH: "nothing to start",
    Decided.SETTLING: "waits for the source",
    Decided.WAITS: "waits",
    Decided.GIVEN_UP: "gave up",
}


def told_lines(answer: RetrainAnswer) -> Iterator[str]:
    """Yields what a person reads; each line is printable."""
    tiles = f"{answer.num_tiles:,} tiles, " if answer.fingerprint else ""
    yield f"source    {printable(answer.source_uri)}: {tiles}{answer.num_files:,} files"
    if answer.found is not None:
        yield from _compared(answer.found)
    yield f"decision  {_SAID[answer.decided]}: {printable('; '.join(answer.why))}"
    if answer.run_id:
        yield f"run       {answer.run_url or printable(answer.run_id)}"
    if answer.outcome:
        yield f"outcome   {printable(answer.outcome)}"
    if answer.until is not None:
        yield f"again     at {utc_time(answer.until)}"


def _compared(found: SourceFindings) -> Iterator[str]:
    yield f"compared  with {printable(found.compared_with) or 'nothing: there is nothing to compare with'}"
    if found.age_days is not None:
        yield f"age       {found.age_days:,.1f} days"
    if found.changes is None:
        return
    changes = found.changes
    kinds = (("new", changes.new), ("changed", changes.changed), ("gone", changes.gone))
    yield f"tiles     {', '.join(counted_with_examples(kind, count) for kind, count in kinds)}"
    moved = [each for each in changes.classes if each.shift]
    if moved:
        shown = [f"{printable(each.name)} {each.before:.1%} to {each.now:.1%}" for each in moved[:_MOST_CLASSES]]
        more = f", and {len(moved) - _MOST_CLASSES} more" if len(moved) > _MOST_CLASSES else ""
        yield f"classes   {', '.join(shown)}{more}"


def as_json(answer: RetrainAnswer) -> str:
    """Returns the same for programs, as one line."""
    found = answer.found
    values: dict[str, Any] = {
        "decision": answer.decided.value,
        "exit_code": answer.exit_code,
        "why": list(answer.why),
        "key": answer.key,
        "run_id": answer.run_id,
        "run_url": answer.run_url,
        "attempt": answer.attempt,
        "outcome": answer.outcome or None,
        "until": utc_time(answer.until) if answer.until else None,
        "source": {
            "uri": answer.source_uri,
            "num_files": answer.num_files,
            "num_tiles": answer.num_tiles,
            "fingerprint": answer.fingerprint,
        },
        "compared_with": found.compared_with if found else None,
        "age_days": found.age_days if found else None,
        "tiles": None,
        "classes": None,
        "served": found.served.as_dict() if found and found.served else None,
    }
    if found is not None and found.changes is not None:
        changes = found.changes
        counts = {"new": changes.new, "changed": changes.changed, "gone": changes.gone}
        values["tiles"] = {kind: dataclasses.asdict(count) for kind, count in counts.items()}
        values["tiles"]["same"] = changes.num_same
        values["classes"] = [dataclasses.asdict(each) for each in changes.classes]
    return json.dumps(values)
