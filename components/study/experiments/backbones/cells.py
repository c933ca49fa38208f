"""Which cells of backbones × bands × augmentation run on a machine, and what each learns."""

import dataclasses
import itertools

from components.contracts.study import Matrix, Words
from components.study.experiments.experiment import Bench
from components.study.experiments.learning.learner import Learner
from components.study.experiments.learning.learning_arms import learning_arm
from components.study.experiments.learning.sizes import LearningSize
from components.study.experiments.learning.tiles import TileSet
from components.study.experiments.learning.training import learn
from components.train.settings.backbones import BACKBONES

BANDS = ("rgb", "rgb_nir")
_ON_CPU = {"ci": ("small",), "laptop": ("small", "mobilenet_v2"), "gpu": ()}
_MOST_EPOCHS = 3  # on a CPU
_SHOWN = (
    ("train", "the tiles trained on", "las teselas de entrenamiento"),
    ("test", "held-out fields", "campos reservados"),
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One combination."""

    backbone: str
    bands: str
    is_augmented: bool

    @property
    def row(self) -> str:
        """Its place in tables, beside the backbone."""
        return f"{self.bands}, augmentation {'on' if self.is_augmented else 'off'}"


CELLS = tuple(itertools.starmap(Cell, itertools.product(BACKBONES, BANDS, (False, True))))


def runs_here(cell: Cell, bench: Bench) -> bool:
    """Tells whether a cell can run: with a GPU, all of the preset `gpu` do; without one, what a processor can bear."""
    if bench.preset.name == "gpu":
        return bool(bench.machine.accelerators)
    return cell.backbone in _ON_CPU[bench.preset.name]


def cell_scores(bench: Bench, tiles: TileSet) -> list[Matrix]:
    """Returns macro F1 of each cell, on the tiles trained on and on held-out fields; None where it was not run here."""
    found: dict[Cell, dict[str, float]] = {}
    for cell in CELLS:
        if runs_here(cell, bench):
            found[cell] = _scores(cell, bench, tiles)
            bench.say(f"{cell.backbone}, {cell.row}: macro F1 {found[cell]['test']:.2f}")
    rows = [Cell("", bands, is_on).row for bands in BANDS for is_on in (False, True)]
    by_place = {(cell.backbone, cell.row): scores for cell, scores in found.items()}
    return [
        Matrix(
            name=f"backbones_{split}",
            title=Words(
                english=f"Macro F1 on {english}, from drawn weights; empty cells were not run here",
                spanish=f"F1 macro en {spanish}, desde pesos al azar; las celdas vacías no se ejecutaron aquí",
            ),
            unit="macro F1",
            row_title=Words(english="backbone", spanish="red"),
            column_title=Words(english="bands and augmentation", spanish="bandas y aumento de datos"),
            rows=tuple(BACKBONES),
            columns=tuple(rows),
            values=tuple(
                tuple(by_place[name, row][split] if (name, row) in by_place else None for row in rows)
                for name in BACKBONES
            ),
        )
        for split, english, spanish in _SHOWN
    ]


def _scores(cell: Cell, bench: Bench, tiles: TileSet) -> dict[str, float]:
    epochs = LearningSize.of(bench.preset).epochs
    arm = learning_arm(
        bench,
        tiles,
        cell.backbone,
        backbone=cell.backbone,
        bands=cell.bands,
        augment=cell.is_augmented,
        label_mode="single_label",
        epochs=epochs if bench.machine.accelerators else min(epochs, _MOST_EPOCHS),
        global_batch_size=16,
    )
    learner = Learner(tiles, arm.training.config, holds_batch_norm=False)
    scores = learn(learner, arm, tuple(split for split, *_ in _SHOWN)).scores
    return {split: score.macro_f1 for split, score in scores.items()}
