"""Finds where the candidate is weak: what the pass over the test split watches for it, and what follows from that."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.contracts import LabelDoubts, Manifest, Robustness, Slices
from components.errors import DataError
from components.evaluate.reading.columns import some_rows
from components.evaluate.reading.model_column import Answer
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.reading.split_pass import Watch
from components.evaluate.thresholds import decide
from components.evaluate.weaknesses.field_sample import FieldSample
from components.evaluate.weaknesses.label_doubts import AnsweredSplit, list_doubts
from components.evaluate.weaknesses.robustness import FEWEST_FIELDS, AskedTiles, judge_robustness, num_asked
from components.evaluate.weaknesses.slicing import JudgedTiles, slices_of
from components.evaluate.weaknesses.tile_attributes import NUM_ATTRIBUTES, attributes_of, years_of
from components.records.tile_record import Record
from components.scoring.field_sums import Counts


@dataclasses.dataclass(frozen=True)
class WatchedPass:
    """What a pass over the test split watches.

    Attributes:
      watch: For the pass.
      sample: The tiles to ask about again, once the pass is over.
      note: What is to be said of the years.
    """

    watch: Watch
    sample: FieldSample
    note: str


class Answered(NamedTuple):
    """A split, and the probabilities that the candidate gave, float32 [N, C]."""

    name: str
    tiles: SplitColumns
    probabilities: NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """The model to look at, and what it said.

    Attributes:
      answer: Gives the probabilities of some tiles, as in `splits`.
      thresholds: By which it predicts, [C].
      splits: Those that it was not trained on, test last.
      predicted: For the test tiles, bool [N, C].
      counts: The sums of these by unit, [F, C].
      num_tiles: The tiles of each unit, int64 [F].
    """

    answer: Answer
    thresholds: Sequence[float]
    label_mode: str
    image_size_px: int
    splits: Sequence[Answered]
    predicted: NDArray[np.bool_]
    counts: Counts
    num_tiles: NDArray[np.int64]


def watch_test(data_root: str, manifest: Manifest) -> WatchedPass:
    """Returns what to watch."""
    years, note = years_of(data_root, manifest, "test")
    most = num_asked(sum(manifest.splits[name].num_tiles for name in manifest.splits if name != "train"))
    # Fields are the witnesses: a few tiles of several fields tell more than as many of one.
    sample = FieldSample(most, most_of_field=most // FEWEST_FIELDS)

    def measure(records: Sequence[Record]) -> NDArray[np.float32]:
        sample.see(records)
        return attributes_of(records, years)

    return WatchedPass(Watch(measure, NUM_ATTRIBUTES), sample, note)


def find_weaknesses(
    data_root: str, folder: str, manifest: Manifest, candidate: Candidate, watched: WatchedPass
) -> tuple[Slices, Robustness | None, LabelDoubts]:
    """Returns slices, robustness and doubted labels; writes the list of these.

    Args:
      folder: Of the evaluation, under `data_root`.
    """
    test = candidate.splits[-1]
    slices = slices_of(
        JudgedTiles(test.tiles, candidate.predicted, candidate.counts, candidate.num_tiles),
        manifest,
        single_label=candidate.label_mode == "single_label",
        note_on_years=watched.note,
    )
    doubts = list_doubts(data_root, folder, manifest, [_as_asked(each) for each in candidate.splits])
    return slices, _robustness(manifest, candidate, watched.sample, test), doubts


def _as_asked(split: Answered) -> AnsweredSplit:
    name, tiles, probabilities = split
    return AnsweredSplit(
        name,
        len(tiles),
        lambda here: (some_rows(tiles.labels, here), some_rows(probabilities, here)),
        tiles.positions,
        lambda rows: [(tiles.tile_ids[row], tiles.field_ids[row]) for row in rows],
    )


def _robustness(
    manifest: Manifest,
    candidate: Candidate,
    sample: FieldSample,
    test: Answered,
) -> Robustness | None:
    rows, records = sample.tiles()
    asked = AskedTiles(records, test.tiles.labels[rows], test.probabilities[rows], test.tiles.unit_of_tile[rows])
    try:
        return judge_robustness(
            asked,
            candidate.answer,
            lambda of: decide(of, candidate.thresholds, candidate.label_mode),
            manifest,
            candidate.image_size_px,
        )
    except DataError as error:  # it has answered all tiles as they are, so the evaluation stands
        return Robustness(
            num_tiles=len(records), num_fields=0, macro_f1=0.0, control=0.0, note=f"The model failed: {error}."
        )
