"""Decides whether a model is pushed: it must be good enough, and better than production by more than noise."""

import io

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Decision, Evaluation
from components.errors import DataError
from components.f1_score import f1, macro_of_each
from components.gate.settings import GateSettings

PUSH = "push"
REFUSE = "refuse"

_NUM_RESAMPLES = 1_000
_SEED = 20_200_615
# Fewer fields than this say little about other fields: an interval over them is too narrow.
_MIN_FIELDS = 10


def decide_push(data_root: str, min_macro_f1: float, evaluation: Evaluation) -> Decision:
    """Decides on a model by its scores on the test split.

    A model is pushed if its macro F1 reaches `min_macro_f1` and, if production was compared, the 95 % interval of the
    difference lies above 0. A production model that could not be compared (other classes, damaged) does not block the
    push; the reason mentions it.

    Raises:
      SettingsError: if `min_macro_f1` is not in [0, 1].
      DataError: if the predictions of the evaluation are missing or unreadable.
    """
    floor = GateSettings(min_macro_f1=min_macro_f1).min_macro_f1
    macro_f1 = evaluation.candidate.macro_f1
    production_f1 = evaluation.production.macro_f1 if evaluation.production else None
    difference = None if production_f1 is None else _compare(data_root, evaluation)
    decision, why = _decide(evaluation, floor, difference)
    return Decision(
        decision=decision,
        reason=f"{decision}: {why}",
        floor=floor,
        candidate_macro_f1=macro_f1,
        production_macro_f1=production_f1,
        difference=difference,
    )


def _decide(evaluation: Evaluation, floor: float, difference: tuple[float, float, float] | None) -> tuple[str, str]:
    macro_f1 = evaluation.candidate.macro_f1
    version = evaluation.production_version
    if version and evaluation.production_training_id == evaluation.training_id:
        return REFUSE, f"this model (training {evaluation.training_id}) is already in production as {version}"
    if macro_f1 < floor:
        return REFUSE, f"macro F1 {macro_f1:.3f} is below the floor {floor:.3f}"
    reaches = f"macro F1 {macro_f1:.3f} reaches the floor {floor:.3f}"
    if evaluation.production is None or difference is None:
        if evaluation.production_note:
            return PUSH, f"{reaches}, and production was not compared: {evaluation.production_note}"
        return PUSH, f"no model in production yet and {reaches}"
    mean, low, high = difference
    against = f"macro F1 {macro_f1:.3f} against production's {evaluation.production.macro_f1:.3f} (version {version})"
    interval = f"difference {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    if low > 0:
        return PUSH, f"{against}: {interval} is above 0, and {reaches}"
    return REFUSE, f"{against}: {interval} is not above 0"


def _compare(data_root: str, evaluation: Evaluation) -> tuple[float, float, float]:
    uri = storage.join(data_root, evaluation.predictions_path)
    try:
        with np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False) as arrays:
            labels, candidate, production = (
                arrays[name] for name in ("labels", "candidate_predicted", "production_predicted")
            )
            tile_ids, field_ids = arrays["tile_ids"], arrays["field_ids"]
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise DataError(f"cannot compare with production, predictions at {uri!r} are unreadable: {error}") from error
    return macro_f1_difference(labels, candidate, production, tile_ids, field_ids)


def macro_f1_difference(
    labels: NDArray[np.bool_],
    candidate: NDArray[np.bool_],
    production: NDArray[np.bool_],
    tile_ids: NDArray[np.str_],
    field_ids: NDArray[np.str_],
) -> tuple[float, float, float]:
    """Returns candidate's macro F1 minus production's on the same tiles, and its 95 % interval.

    This is a seeded paired bootstrap. It draws fields with replacement, because tiles of one field overlap and err
    together. A tile of unknown field (empty id) is a unit of its own. With fewer than 10 fields, the interval is
    widened to include the interval over tiles; with a single unit there is no estimate, and it is [-1, 1].

    Args:
      labels, candidate, production: bool [N, C].
      tile_ids, field_ids: [N].
    """
    units, unit_of_tile = np.unique(np.where(field_ids == "", tile_ids, field_ids), return_inverse=True)
    counts = [_counts(labels, predicted) for predicted in (candidate, production)]  # [N, 3, C] each
    everything = np.ones((1, len(labels)))
    difference = float((_macro_f1(everything, counts[0]) - _macro_f1(everything, counts[1]))[0])
    if len(units) < 2:
        return difference, -1.0, 1.0
    by_unit = [_sum_by_unit(count, unit_of_tile, len(units)) for count in counts]  # [U, 3, C]
    low, high = _interval(*by_unit)
    if len(units) < _MIN_FIELDS:
        tile_low, tile_high = _interval(*counts)
        low, high = min(low, tile_low), max(high, tile_high)
    return difference, low, high


def _counts(labels: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns, for each tile, the classes that are hit, predicted and true, [N, 3, C]."""
    return np.stack([labels & predicted, predicted, labels], axis=1).astype(np.float64)


def _sum_by_unit(counts: NDArray[np.float64], unit_of_tile: NDArray[np.intp], num_units: int) -> NDArray[np.float64]:
    sums = np.zeros((num_units, *counts.shape[1:]))
    np.add.at(sums, unit_of_tile, counts)
    return sums


def _macro_f1(weights: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the macro F1, [R], of R resamples with each unit `weights` times, [R, U]; `counts` are [U, 3, C]."""
    hit, predicted, true = np.moveaxis(np.tensordot(weights, counts, axes=1), 1, 0)  # each [R, C]
    return macro_of_each(f1(hit, predicted, true), true)


def _interval(candidate: NDArray[np.float64], production: NDArray[np.float64]) -> tuple[float, float]:
    num_units = len(candidate)
    generator = np.random.default_rng(_SEED)
    differences = []
    # In blocks, so that 20,000 tiles need 16 MB at a time, not 160.
    for _ in range(0, _NUM_RESAMPLES, 100):
        weights = generator.multinomial(num_units, np.full(num_units, 1 / num_units), size=100).astype(np.float64)
        differences.append(_macro_f1(weights, candidate) - _macro_f1(weights, production))
    low, high = np.percentile(np.concatenate(differences), [2.5, 97.5])
    return float(low), float(high)
