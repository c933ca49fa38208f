"""Decisions of the gate on simulated models, that flip the labels of tiles at known rates."""

import msgspec
import numpy as np
from field_counts import evaluation_of, sums_of

from components.gate.decision import decide_push
from components.gate.settings import GateSettings

NUM_FIELDS, TILES_PER_FIELD = 50, 8
FIELDS = np.repeat([f"field{i:03}" for i in range(NUM_FIELDS)], TILES_PER_FIELD)
SETTINGS = GateSettings(min_macro_f1=0.3)


def answers(error_rates, seed=0, num_classes=3):
    """Labels of classes, and predictions of models that flip each of them at these rates."""
    rng = np.random.default_rng(seed)
    labels = rng.random((len(FIELDS), num_classes)) < 0.3
    return labels, *(labels ^ (rng.random(labels.shape) < rate) for rate in error_rates)


def decided(tmp_path, *arrays, settings=SETTINGS, fields=FIELDS, **changes):
    evaluation = evaluation_of(tmp_path / "data", sums_of(fields, *arrays), **changes)
    return decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, evaluation)


def alone(tmp_path, macro_f1, settings=SETTINGS, **changes):
    """Decides on a model with nothing to compare it with."""
    evaluation = evaluation_of(tmp_path / "data", sums_of(FIELDS, *answers((0.1,))))
    scores = msgspec.structs.replace(evaluation.candidate, macro_f1=macro_f1)
    evaluation = msgspec.structs.replace(evaluation, candidate=scores, **changes)
    return decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, evaluation)
