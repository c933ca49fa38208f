"""Finds the labels that the model doubts most, on tiles that it was not trained on, and lists them for a person.

One class against the rest, by confident learning (Northcutt, Jiang and Chuang, Confident Learning: Estimating
Uncertainty in Dataset Labels, JAIR 70, 2021): t1 is the mean probability of a class among the tiles labelled with it,
t0 the mean of 1 - probability among the others: how sure the model is where label and model mostly agree. A label "yes"
is doubted if 1 - p reaches t0, and a label "no" if p reaches t1; where both are reached, the larger of p and 1 - p
decides. So a class of which the model is never sure has its own measure.

Doubts are ordered by the probability the model gives to the other answer. It is calibrated, so by Bayes' rule that is
the order of how likely labels are wrong, if wrong ones are equally frequent among "yes" and "no" (the paper's ranking
by self-confidence). The list takes the first of each class, then the second of each, and so on, because a person who
looks for mistakes in a rare class must not first go through all those of a frequent one.

No model that these tiles trained judges them. The val tiles did choose thresholds and calibration, two numbers a class,
which cannot learn the label of a tile.
"""

import csv
import dataclasses
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Doubt, LabelDoubts, Manifest
from components.printable import printable_cell

FILE = "label_doubts.csv"
MOST_LISTED = 1_000
MOST_SHOWN_OF_CLASS, MOST_SHOWN = 3, 90
_CELLS_AT_ONCE = 1 << 21  # tiles times classes; 10 MB of labels and probabilities
_HEADER = ("tile", "field", "split", "class", "label", "model", "probability", "doubt", "shard", "record")
_DECIMALS = 6

# Some tiles -> their labels bool [n, C], and probabilities float32 [n, C]
Rows: TypeAlias = Callable[[slice], tuple[NDArray[np.bool_], NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True)
class AnsweredSplit:
    """A split that the model has answered.

    Attributes:
      num_tiles: The tiles that count, N.
      rows: Is asked for them in blocks.
      positions: Position of each tile's record in the split, [N]; None if all tiles count.
      names: Gives the tile and field ids of some tiles by their numbers in 0..N-1.
    """

    name: str
    num_tiles: int
    rows: Rows
    positions: NDArray[np.int64] | None
    names: Callable[[Sequence[int]], Sequence[tuple[str, str]]]


@dataclasses.dataclass(frozen=True)
class Doubts:
    """The most doubted labels of each class.

    Attributes:
      num: All doubted labels by class: those that say yes, and no, int64 [C, 2].
      class_index, split_index, row: Of those kept, by class and then the most doubted first, [D].
      has_class, probability: Of each, [D].
    """

    num: NDArray[np.int64]
    class_index: NDArray[np.int64]
    split_index: NDArray[np.int64]
    row: NDArray[np.int64]
    has_class: NDArray[np.bool_]
    probability: NDArray[np.float32]

    @property
    def doubt(self) -> NDArray[np.float32]:
        """How likely each label is wrong, if the model is right, [D]."""
        return np.where(self.has_class, 1 - self.probability, self.probability)


def find_doubts(splits: Sequence[AnsweredSplit], num_classes: int, most_of_class: int = MOST_LISTED) -> Doubts:
    """Returns the doubted labels, at most `most_of_class` for each class; memory does not grow with the tiles."""
    sure_yes, sure_no = _mean_confidence(splits, num_classes)
    num = np.zeros((num_classes, 2), np.int64)
    kept = [np.zeros(0, _KEPT) for _ in range(num_classes)]
    for number, split in enumerate(splits):
        for start, labels, probabilities in _blocks(split, num_classes):
            for c in range(num_classes):
                has, p = labels[:, c], probabilities[:, c]
                yes, no = p >= sure_yes[c], 1 - p >= sure_no[c]
                doubted = np.where(has, no & (~yes | (p < 0.5)), yes & (~no | (p > 0.5)))
                found = np.flatnonzero(doubted)
                num[c] += (has[found].sum(), (~has[found]).sum())
                here = np.zeros(len(found), _KEPT)
                here["split"], here["row"], here["has"], here["p"] = number, found + start, has[found], p[found]
                kept[c] = _first(np.concatenate([kept[c], here]), most_of_class)
    everything = np.concatenate(kept) if kept else np.zeros(0, _KEPT)
    return Doubts(
        num,
        np.repeat(np.arange(num_classes), [len(each) for each in kept]),
        everything["split"].astype(np.int64),
        everything["row"].astype(np.int64),
        everything["has"],
        everything["p"],
    )


def _blocks(split: AnsweredSplit, num_classes: int) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.float32]]]:
    """Yields the number of the first tile of each block, and its labels and probabilities, [n, C]."""
    tiles_at_once = max(1, _CELLS_AT_ONCE // max(num_classes, 1))
    for start in range(0, split.num_tiles, tiles_at_once):
        yield start, *split.rows(slice(start, start + tiles_at_once))


_KEPT = np.dtype([("split", np.int8), ("row", np.int64), ("has", np.bool_), ("p", np.float32)])


def _first(doubts: NDArray[np.void], most: int) -> NDArray[np.void]:
    """Returns the most doubted, in order."""
    doubt = np.where(doubts["has"], 1 - doubts["p"], doubts["p"])
    return doubts[np.lexsort((doubts["row"], doubts["split"], -doubt))[:most]]


def _mean_confidence(
    splits: Sequence[AnsweredSplit], num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns how sure the model is on average where the label says yes, and where it says no, [C]; 1 if none does."""
    sums, counts = np.zeros((2, num_classes)), np.zeros((2, num_classes))
    for split in splits:
        for _, labels, p in _blocks(split, num_classes):
            sums += [(p * labels).sum(axis=0, dtype=np.float64), ((1 - p) * ~labels).sum(axis=0, dtype=np.float64)]
            counts += [labels.sum(axis=0), (~labels).sum(axis=0)]
    yes, no = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
    return yes, no


def list_doubts(data_root: str, folder: str, manifest: Manifest, splits: Sequence[AnsweredSplit]) -> LabelDoubts:
    """Writes the list to a folder of an evaluation under `data_root`, and returns what there is to say of it.

    Args:
      folder: e.g. "evaluations/0123456789abcdef".
    """
    found = find_doubts(splits, len(manifest.classes))
    rank = np.arange(len(found.row)) - np.searchsorted(found.class_index, found.class_index)  # in its class
    in_turn = np.lexsort((-found.doubt, rank))
    listed = np.sort(in_turn[:MOST_LISTED])
    doubts = dict(zip(listed.tolist(), _named(manifest, splits, found, listed), strict=True))
    content = _csv(list(doubts.values()))
    path = f"{folder}/{FILE}"
    storage.write_bytes(storage.join(data_root, path), content)
    shown = np.sort([at for at in in_turn[:MOST_SHOWN].tolist() if rank[at] < MOST_SHOWN_OF_CLASS])
    return LabelDoubts(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        num_doubts=int(found.num.sum()),
        num_listed=len(listed),
        num_tiles=sum(split.num_tiles for split in splits),
        of_class={name: (yes, no) for name, (yes, no) in zip(manifest.classes, found.num.tolist(), strict=True)},
        shown=tuple(doubts[at] for at in shown.tolist()),
    )


def _named(
    manifest: Manifest, splits: Sequence[AnsweredSplit], found: Doubts, chosen: NDArray[np.int64]
) -> list[Doubt]:
    """Returns the chosen doubts with the names of their tiles and the places of their records, in the same order."""
    names: dict[tuple[int, int], tuple[str, str]] = {}
    doubt = found.doubt
    for number, split in enumerate(splits):
        rows = np.unique(found.row[chosen][found.split_index[chosen] == number]).tolist()
        names |= {(number, row): pair for row, pair in zip(rows, split.names(rows), strict=True)}
    doubts = []
    for at in chosen.tolist():
        number, row = int(found.split_index[at]), int(found.row[at])
        split = splits[number]
        position = row if split.positions is None else int(split.positions[row])
        shard, record = _place(manifest, split.name, position)
        tile_id, field_id = names[number, row]
        doubts.append(
            Doubt(
                tile_id=tile_id,
                field_id=field_id,
                split=split.name,
                class_name=manifest.classes[int(found.class_index[at])],
                has_class=bool(found.has_class[at]),
                probability=round(float(found.probability[at]), _DECIMALS),
                doubt=round(float(doubt[at]), _DECIMALS),
                position=position,
                shard=shard,
                record=record,
            )
        )
    return doubts


def _place(manifest: Manifest, split: str, position: int) -> tuple[str, int]:
    """Returns the shard of a record, and its number in there."""
    for shard in manifest.splits[split].shards:
        if position < shard.num_tiles:
            return shard.path, position
        position -= shard.num_tiles
    raise ValueError(f"the {split} split has no record {position}")


def _csv(doubts: Sequence[Doubt]) -> bytes:
    """Returns the list for a spreadsheet: by class, and the most doubted first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_HEADER)
    for each in doubts:
        says = ("yes", "no") if each.has_class else ("no", "yes")
        numbers = f"{each.probability:.{_DECIMALS}f}", f"{each.doubt:.{_DECIMALS}f}"
        cells = (
            each.tile_id,
            each.field_id,
            each.split,
            each.class_name,
            *says,
            *numbers,
            each.shard,
            str(each.record),
        )
        writer.writerow(map(printable_cell, cells))
    # With a byte order mark, else Excel takes UTF-8 for the code page of its country; predict's list has one as well.
    return buffer.getvalue().encode("utf-8-sig")
