"""What is reason enough for a run, and how it is told."""

import dataclasses
import json

import pytest

from components.dataset.drift.findings import ClassShift
from components.dataset.drift.served_findings import ServedDrift
from components.errors import SettingsError
from pipeline.retrain.reasons import SourceFindings, counted_with_examples, reasons_for
from pipeline.retrain.retraining import Decided, RetrainAnswer
from pipeline.retrain.settings import RetrainSettings
from pipeline.retrain.telling import as_json, told_lines
from pipeline.retrain.tile_changes import ClassShare, TileChanges, TileCount

NONE = TileCount()
WITH = "production, version v1"


def changes(new=0, changed=0, gone=0, classes=()) -> TileChanges:
    counts = [TileCount(number, ("a", "b", "c")[:number]) for number in (new, changed, gone)]
    return TileChanges(*counts, num_same=100, classes=classes)


def drift(to_do: str) -> ServedDrift:
    far = {"share": 0.5, "earlier_share": 0.1, "stability_index": 1.0, "p_value": 0.0, "is_shift": True}
    shift = ClassShift(name="weed", **far) if to_do == "retrain" else None
    return ServedDrift(
        version="v1",
        dataset_id="d",
        num_tiles=1234,
        num_windows=2,
        since="2026-01-01T00:00:00Z",
        until="2026-01-02T00:00:00Z",
        num_fields=12.0,
        classes=(shift,) if shift else (),
        bands=(),
        too_few="only 3 fields" if to_do == "undecided" else "",
    )


OLD = SourceFindings(compared_with=WITH, is_unchanged=True, age_days=9)
SHARES = (ClassShare("weed", 0.1, 0.25), ClassShare("water", 0.2, 0.2))


@pytest.mark.parametrize(
    ("found", "settings", "reasons", "remarks"),
    [
        (SourceFindings(), {}, ["no model is in production"], []),
        (SourceFindings(compared_with=WITH, is_unchanged=True), {}, [], ["the source is unchanged"]),
        (SourceFindings(compared_with=WITH), {}, ["nothing can be compared"], []),
        (SourceFindings(compared_with=WITH, changes=changes(2, 1, 5)), {}, ["2 new and 1 changed tiles"], []),
        (SourceFindings(compared_with=WITH, changes=changes(2, 1)), {"min_new_tiles": 3}, ["2 new and 1 changed"], []),
        (SourceFindings(compared_with=WITH, changes=changes(2, 1)), {"min_new_tiles": 4}, [], ["only 2 new and 1 ch"]),
        # A folder that somebody has removed starts no training.
        (SourceFindings(compared_with=WITH, changes=changes(gone=3)), {}, [], ["only 0 new and 0 changed tiles"]),
        (SourceFindings(compared_with=WITH, changes=changes()), {}, [], ["its tiles are the same"]),
        (
            SourceFindings(compared_with=WITH, changes=changes(1, classes=SHARES)),
            {"min_new_tiles": 9, "min_class_shift": 0.15},
            ["the share of weed went from 10.0% to 25.0% (--min-class-shift=0.15)"],
            ["only 1 new"],
        ),
        (
            SourceFindings(compared_with=WITH, changes=changes(1, classes=SHARES)),
            {"min_new_tiles": 9, "min_class_shift": 0.16},
            [],
            ["only 1 new", "the share of weed went from 10.0% to 25.0%, the most of all classes"],
        ),
        (
            SourceFindings(compared_with=WITH, is_unchanged=True, age_days=9),
            {"max_age_days": 9.0},
            ["9.0 days old"],
            ["un"],
        ),
        (
            SourceFindings(compared_with=WITH, is_unchanged=True, age_days=9),
            {"max_age_days": 9.1},
            [],
            ["un", "9.0 da"],
        ),
        (SourceFindings(compared_with=WITH, is_unchanged=True, age_days=9), {}, [], ["the source is unchanged"]),
        (
            SourceFindings(compared_with=WITH, changes=changes(1), served=drift("retrain")),
            {"min_new_tiles": 9},
            ["what is served, by 1,234 tiles: answers weed"],
            ["only 1 new"],
        ),
        # There is nothing to learn it from.
        (
            SourceFindings(compared_with=WITH, is_unchanged=True, served=drift("retrain")),
            {},
            [],
            ["the source is unchanged", "but the source has no new tile to learn that from"],
        ),
        (
            SourceFindings(compared_with=WITH, is_unchanged=True, served=drift("keep")),
            {},
            [],
            ["the source is unchanged", "neither bands nor answers have shifted (keep)"],
        ),
        (
            SourceFindings(compared_with=WITH, is_unchanged=True, served=drift("undecided")),
            {},
            [],
            ["the source is unchanged", "only 3 fields (undecided)"],
        ),
    ],
)
def test_each_reason_counts_from_its_threshold_on(found, settings, reasons, remarks):
    verdict = reasons_for(found, RetrainSettings(**settings))

    assert len(verdict.reasons) == len(reasons)
    assert len(verdict.remarks) == len(remarks)
    assert all(part in text for part, text in zip(reasons, verdict.reasons, strict=True))
    assert all(part in text for part, text in zip(remarks, verdict.remarks, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_new_tiles", 0), ("max_age_days", -1.0), ("min_class_shift", 1.01), ("settle_minutes", float("inf"))],
)
def test_a_threshold_that_cannot_be_met_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"{name} must be"):
        RetrainSettings(**{name: value})


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (NONE, "0 new"),
        (TileCount(2, ("a", "b")), "2 new (a, b)"),
        (TileCount(1234, ("a", "b", "c")), "1,234 new (a, b, c, …)"),
        (TileCount(1, ("a\x1b[2J\nb",)), r"1 new (a\x1b[2J\nb)"),
    ],
)
def test_tiles_are_counted_with_examples_that_steer_no_terminal(count, text):
    assert counted_with_examples("new", count) == text


ANSWER = RetrainAnswer(
    decided=Decided.STARTED,
    why=("3 new\x1b[2J tiles",),
    source_uri="gs://b/\x1btiles",
    num_files=7804,
    key="c" * 64,
    run_id="run-1",
    run_url="http://kfp/#/runs/details/run-1",
    attempt=1,
    fingerprint="f" * 64,
    num_tiles=598,
    found=SourceFindings(compared_with=WITH, changes=changes(3, 0, 1, SHARES), age_days=12.44),
)


def test_people_read_a_few_lines():
    assert list(told_lines(ANSWER)) == [
        r"source    gs://b/\x1btiles: 598 tiles, 7,804 files",
        "compared  with production, version v1",
        "age       12.4 days",
        "tiles     3 new (a, b, c), 0 changed, 1 gone (a)",
        "classes   weed 10.0% to 25.0%",
        r"decision  started a run: 3 new\x1b[2J tiles",
        "run       http://kfp/#/runs/details/run-1",
    ]


def test_programs_read_one_line():
    text = as_json(ANSWER)
    said = json.loads(text)

    assert "\n" not in text
    assert text.isascii()
    assert (said["decision"], said["run_id"], said["tiles"]["new"]["num_tiles"]) == ("started", "run-1", 3)
    assert said["classes"][0] == {"name": "weed", "before": 0.1, "now": 0.25}
    nothing = json.loads(as_json(dataclasses.replace(ANSWER, found=None, decided=Decided.ANSWERED)))
    assert (nothing["tiles"], nothing["compared_with"], nothing.keys()) == (None, None, said.keys())
