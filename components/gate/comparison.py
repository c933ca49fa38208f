"""Compares a candidate with the model in production on the same test fields: is it better, and did it lose a class?"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from components.contracts.gate import Difference
from components.f1_score import f1
from components.scoring.field_effects import Effects, class_effects, macro_effects
from components.scoring.field_sums import Counts
from components.scoring.power import can_decide, smallest_gain
from components.scoring.sign_flips import interval, p_better

# The chance to call any class lost of a model that is as good in all of them; divided among the classes (Bonferroni).
_LOST_ALPHA = 0.05
_INTERVAL_ALPHA = 0.025  # on each side


@dataclasses.dataclass(frozen=True)
class LostClass:
    """A class at which the candidate is worse by more than it may be, and by more than noise; F1 in 0..1."""

    name: str
    candidate_f1: float
    production_f1: float

    def __str__(self) -> str:
        return f"{self.name} (F1 {self.candidate_f1:.3f} against {self.production_f1:.3f})"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What the test fields say.

    Attributes:
      effects: What each field adds to the difference of macro F1.
      p_value: How likely a difference at least as good is between equally good models.
      p_worse: The same for one at least as bad.
      lost: The classes that the candidate lost, the worst first.
      of_classes: What each field adds to the difference of F1, by class that occurs.
    """

    effects: Effects
    p_value: float
    p_worse: float
    lost: tuple[LostClass, ...]
    of_classes: dict[str, Effects]

    @property
    def num_fields(self) -> int:
        """The number of test fields."""
        return len(self.effects.by_field)

    @property
    def is_worse(self) -> bool:
        """Tells whether the candidate is worse by more than noise, at 2.5 %."""
        return self.p_worse <= _INTERVAL_ALPHA

    def smallest_gain(self, alpha: float) -> float:
        """Returns the gain of macro F1 that would be found at `alpha` in four of five cases."""
        return smallest_gain(self.effects, alpha)

    def is_undecidable(self, alpha: float, production_macro_f1: float) -> bool:
        """Tells whether the fields are too few to find a better model, however good it is.

        That is so if not even all fields speaking for it would do, as n fields give no p-value below 2^-n, or if what
        can be found is more than what production's model lacks.
        """
        return not can_decide(self.num_fields, alpha) or production_macro_f1 + self.smallest_gain(alpha) > 1

    def class_differences(self) -> dict[str, Difference]:
        """Returns the difference of each class's F1, with its 95 % interval."""
        return {
            name: (effects.difference, *interval(effects, _INTERVAL_ALPHA)) for name, effects in self.of_classes.items()
        }

    def difference(self, alpha: float) -> Difference:
        """Returns the difference of macro F1, and what cannot be ruled out at `alpha` on either side."""
        return (self.effects.difference, *interval(self.effects, alpha))


def compare_models(classes: Sequence[str], candidate: Counts, production: Counts, max_class_loss: float) -> Comparison:
    """Compares two models by their counts, int64 [F, C].

    A class is lost if its F1 is more than `max_class_loss` below production's, and

    - by more than noise, at 5 % for all classes together, or
    - the candidate finds none of it any more, where production's model found it in two fields or more. A class that
      occurs in a few fields only could not be lost by the first rule, as three fields give no p-value below 1/8.
    """
    effects = class_effects(candidate, production)
    occurs = np.flatnonzero(candidate.true.sum(axis=0) > 0)
    totals = candidate.totals(), production.totals()
    scores = [f1(of.hits, of.predicted, of.true) for of in totals]
    lost = []
    for c in occurs.tolist():
        of_class = effects[c]
        if of_class.difference < -max_class_loss and (
            p_better(-of_class.by_field) <= _LOST_ALPHA / len(occurs)
            or (totals[0].hits[c] == 0 and np.count_nonzero(production.hits[:, c]) >= 2)
        ):
            lost.append(LostClass(classes[c], float(scores[0][c]), float(scores[1][c])))
    lost.sort(key=lambda each: each.candidate_f1 - each.production_f1)
    macro = macro_effects(candidate, production)
    of_classes = {classes[c]: effects[c] for c in occurs.tolist()}
    return Comparison(macro, p_better(macro.by_field), p_better(-macro.by_field), tuple(lost), of_classes)
