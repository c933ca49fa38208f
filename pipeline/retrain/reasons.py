"""Decides whether there is reason to start a run, going by what was found. Pure functions."""

import dataclasses

from components.dataset.drift.served_findings import ServedDrift, ToDo
from components.printable import printable
from pipeline.retrain.settings import RetrainSettings
from pipeline.retrain.tile_changes import TileChanges, TileCount


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceFindings:
    """What was found of a source.

    Attributes:
      compared_with: In words; empty if there is nothing to compare with.
      is_unchanged: Whether its tiles are those.
      changes: What differs; None if nothing does, or that cannot be told.
      age_days: Of what it is compared with; None if unknown.
      served: What was served, compared with production's dataset; None if nobody asked.
    """

    compared_with: str = ""
    is_unchanged: bool = False
    changes: TileChanges | None = None
    age_days: float | None = None
    served: ServedDrift | None = None


@dataclasses.dataclass(frozen=True)
class ReasonsFound:
    """Why to start a run, and what is no reason; a line each."""

    reasons: tuple[str, ...]
    remarks: tuple[str, ...]


def reasons_for(found: SourceFindings, settings: RetrainSettings) -> ReasonsFound:
    """Returns what speaks for a run; nothing speaks for one of tiles that a model was trained on already, but age."""
    reasons: list[str] = []
    remarks: list[str] = []
    if not found.compared_with:
        reasons.append("no model is in production, and no run of this source has ended")
    elif found.is_unchanged:
        remarks.append("the source is unchanged")
    elif found.changes is None:
        reasons.append("the tiles of that are not listed under data_root, so nothing can be compared")
    else:
        _judge_tiles(found.changes, settings, reasons, remarks)
    _judge_age(found.age_days, settings, reasons, remarks)
    if found.served is not None:
        said = f"what is served, by {found.served.num_tiles:,} tiles: {printable(found.served.reason)}"
        if found.served.to_do is ToDo.RETRAIN and not found.is_unchanged:
            reasons.append(said)
        elif found.served.to_do is ToDo.RETRAIN:
            remarks.append(f"{said}; but the source has no new tile to learn that from")
        else:
            remarks.append(f"{said} ({found.served.to_do})")
    return ReasonsFound(tuple(reasons), tuple(remarks))


def _judge_tiles(changes: TileChanges, settings: RetrainSettings, reasons: list[str], remarks: list[str]) -> None:
    num_new = changes.new.num_tiles + changes.changed.num_tiles
    counted = f"{changes.new.num_tiles:,} new and {changes.changed.num_tiles:,} changed tiles"
    if num_new >= settings.min_new_tiles:
        reasons.append(f"{counted} (--min-new-tiles={settings.min_new_tiles})")
    elif num_new or changes.gone.num_tiles:
        remarks.append(f"only {counted} (--min-new-tiles={settings.min_new_tiles})")
    else:
        remarks.append("its tiles are the same; what differs is beside them")
    if not (changes.classes and settings.min_class_shift):
        return
    most = changes.classes[0]
    said = f"the share of {printable(most.name)} went from {most.before:.1%} to {most.now:.1%}"
    if most.shift >= settings.min_class_shift:
        reasons.append(f"{said} (--min-class-shift={settings.min_class_shift:g})")
    else:
        remarks.append(f"{said}, the most of all classes (--min-class-shift={settings.min_class_shift:g})")


def _judge_age(age_days: float | None, settings: RetrainSettings, reasons: list[str], remarks: list[str]) -> None:
    if age_days is None or not settings.max_age_days:
        return
    said = f"{age_days:,.1f} days old (--max-age-days={settings.max_age_days:g})"
    (reasons if age_days >= settings.max_age_days else remarks).append(said)


def counted_with_examples(kind: str, count: TileCount) -> str:
    """Returns e.g. "1,204 new (a, b, c, …)"."""
    if not count.num_tiles:
        return f"0 {kind}"
    more = ", …" if count.num_tiles > len(count.examples) else ""
    return f"{count.num_tiles:,} {kind} ({', '.join(map(printable, count.examples))}{more})"
