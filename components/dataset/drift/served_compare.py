"""Compares the tiles that a model was asked about, and what it said of them, with the dataset that it comes from.

There are no labels, so the answers stand in for them: their shares among what was served are compared with those among
the test tiles, as the same model gave them. The fields of served tiles are unknown. So many tiles count for as many
fields as they would be in the dataset, so that many tiles of few fields prove as little as they do there.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.dataset.dataset_sums import mean_and_std
from components.dataset.drift.compare import (
    FALSE_ALARM_RATE,
    MIN_CLASS_RATIO,
    MIN_FIELDS,
    MIN_STABILITY_INDEX,
    band_shift,
    between_splits,
)
from components.dataset.drift.distances import holm, stability_index
from components.dataset.drift.findings import BandShift, ClassShift
from components.dataset.drift.served_findings import ServedDrift
from components.dataset.drift.served_sums import ServedSums
from components.dataset.field_arrays import FieldArrays
from components.errors import DataError

_WHITE = 255
_Array = NDArray[np.float64]


def compare_served(served: ServedSums, dataset: FieldArrays) -> ServedDrift:
    """Compares what was served with a dataset; bands and classes are matched by name.

    Raises:
      DataError: if the model and the dataset share no band.
    """
    manifest, last = dataset.manifest, served.last
    bands = [name for name in last.bands if name in manifest.bands]
    if not bands:
        raise DataError(
            f"no band of model {last.version} is in the dataset: {', '.join(last.bands)} there, "
            f"{', '.join(manifest.bands)} here; is it the dataset of another model?"
        )
    tiles_per_field = float(dataset.tiles.sum()) / dataset.num_fields
    num_fields, counted_fields = (count / tiles_per_field for count in (served.num_tiles, served.counted_tiles))
    test_share = {name: share for name, share in zip(last.classes, last.test_share, strict=True) if share is not None}
    p_values: dict[str, float] = {}
    for name in bands if served.counted_tiles else ():
        mean, std = mean_and_std(served.histogram(name))
        centre = dataset.mean(name)
        spread = dataset.spread(name, centre)
        for what, sums, value in (("mean", dataset.sums(name), mean), ("std", spread, std**2)):
            ratio = float(sums.sum() / dataset.pixels.sum())
            noise = _between_fields(sums, dataset.pixels, ratio)
            p_values[f"{name} {what}"] = _chance(value - ratio, noise, counted_fields, dataset.num_fields)
            if counted_fields < MIN_FIELDS:
                p_values[f"{name} {what}"] = 1.0
    for name, share in test_share.items():
        now = served.share(name)
        noise = _of_share((now + share) / 2, name, dataset, tiles_per_field)
        p_values[name] = _chance(now - share, noise, num_fields, last.num_test_tiles / tiles_per_field)
    too_few = ""
    if min(num_fields, dataset.num_fields) < MIN_FIELDS:
        least = math.ceil(MIN_FIELDS * tiles_per_field)
        too_few = (
            f"too few to tell: {served.num_tiles:,} tiles were served and the dataset has {dataset.num_fields} fields; "
            f"need {least:,} tiles, which are {MIN_FIELDS} fields of it, and {MIN_FIELDS} fields"
        )
        p_values = dict.fromkeys(p_values, 1.0)
    p_values = holm(p_values)
    return ServedDrift(
        version=last.version,
        dataset_id=manifest.dataset_id,
        num_tiles=served.num_tiles,
        num_windows=served.num_windows,
        since=served.since,
        until=last.until,
        num_fields=round(num_fields, 1),
        classes=tuple(_class_shift(name, served, share, p_values[name]) for name, share in test_share.items()),
        bands=tuple(
            _band_shift(name, served, dataset, p_values.__getitem__, not too_few and counted_fields >= MIN_FIELDS)
            for name in bands
            if served.counted_tiles
        ),
        remarks=tuple(_remarks(served, dataset)),
        too_few=too_few,
    )


def _between_fields(sums: _Array, sizes: _Array, ratio: float) -> float:
    """Returns the variance between fields of a ratio estimator's residuals; see distances.ratio_test."""
    residuals = (sums - ratio * sizes) / sizes.mean()
    return float(residuals.var(ddof=1)) if len(residuals) > 1 else 0.0


def _of_share(share: float, name: str, dataset: FieldArrays, tiles_per_field: float) -> float:
    """Returns the variance between fields of the share of tiles with a class.

    At least that of tiles drawn one by one, which is all there is where the dataset has no such tile.
    """
    noise = share * (1 - share) / tiles_per_field
    if name in dataset.manifest.classes:
        tiles = dataset.tiles_of(name)
        noise = max(noise, _between_fields(tiles, dataset.tiles, float(tiles.sum() / dataset.tiles.sum())))
    return noise


def _chance(difference: float, noise: float, num_fields: float, num_earlier: float) -> float:
    """Returns the two-sided p-value of a difference of two means over fields, whose variance is known."""
    variance = noise * (1 / num_fields + 1 / num_earlier)
    if variance <= 0:
        return 1.0 if abs(difference) < 1e-12 else 0.0
    return math.erfc(abs(difference) / math.sqrt(2 * variance))


def _class_shift(name: str, served: ServedSums, earlier: float, p_value: float) -> ClassShift:
    share = served.share(name)
    index = stability_index(share, earlier, served.num_tiles, served.last.num_test_tiles)
    is_large = index >= MIN_STABILITY_INDEX or max(share, earlier) >= MIN_CLASS_RATIO * min(share, earlier)
    return ClassShift(
        name=name,
        share=share,
        earlier_share=earlier,
        stability_index=index,
        p_value=p_value,
        is_shift=is_large and p_value < FALSE_ALARM_RATE,
    )


def _band_shift(
    name: str, served: ServedSums, dataset: FieldArrays, chance_of: Callable[[str], float], is_enough: bool
) -> BandShift:
    noise = max(between_splits(dataset, name), default=None)
    chances = chance_of(f"{name} mean"), chance_of(f"{name} std")
    return band_shift(name, served.histogram(name), dataset.histogram(name), noise, chances, is_enough)


def _remarks(served: ServedSums, dataset: FieldArrays) -> list[str]:
    manifest, last = dataset.manifest, served.last
    remarks = []
    if last.manifest_sha256 != manifest.sha256:
        remarks.append(f"model {last.version} was trained on another dataset, {last.manifest_sha256[:16]}")
    if manifest.tile_size_px:
        remarks.append(
            f"the dataset's tiles are stored at {manifest.tile_size_px} px, and smaller ones have less contrast"
        )
    if served.counted_tiles < served.num_tiles:
        remarks.append(f"the bands of {served.counted_tiles:,} of the {served.num_tiles:,} tiles were counted")
    if alone := [name for name in last.bands if name not in manifest.bands]:
        remarks.append(f"only served: {', '.join(alone)}")
    if unknown := [name for name, share in zip(last.classes, last.test_share, strict=True) if share is None]:
        remarks.append(f"how often the model gave {', '.join(unknown)} on test is unknown")
    if served.num_others:
        remarks.append(f"{served.num_others:,} windows of other versions are left out")
    return remarks
