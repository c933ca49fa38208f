"""Compares a dataset with an earlier one, to tell whether its classes or the brightness of its bands have shifted.

Tiles of one field are alike, so fields are what counts as evidence: a difference counts only if it is larger than other
fields from the same population would cause, and large enough to matter to a model. If one dataset contains the other,
their difference is smaller than the test expects, so the test misses shifts rather than raising false alarms.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

from components.contracts import Manifest
from components.dataset.dataset_sums import mean_and_std
from components.dataset.drift.distances import holm, jensen_shannon, ratio_test, stability_index, wasserstein
from components.dataset.drift.findings import BandShift, ClassShift, Drift
from components.dataset.field_arrays import FieldArrays
from components.dataset.field_file import read_fields
from components.dataset.manifest_file import read_manifest
from components.errors import DataError

# How often a comparison of two datasets of one population may report a shift, over all its tests together.
FALSE_ALARM_RATE = 0.01
# With fewer, a mean over fields is not close enough to a normal distribution for so small a rate.
MIN_FIELDS = 10
# The usual threshold for a closer look; at 0.25, the usual advice is to build a new model (Siddiqi 2006).
MIN_STABILITY_INDEX = 0.1
# The index hardly reacts to a rare class, but half or twice its tiles are half or twice its training data.
MIN_CLASS_RATIO = 2.0
# A fifth of a deviation, a "small" effect (Cohen 1988): below that, the distributions overlap by more than nine tenths.
MIN_MEAN_SHIFT_STDS = 0.2
# Contrast a quarter up, or a fifth down.
MIN_STD_RATIO = 1.25
# The distance of normal distributions a third of a deviation apart, or with a quarter more contrast. It counts if mean
# and deviation show nothing (a clipped band, or one of two peaks), and only beyond the distance of a dataset's splits.
MIN_JENSEN_SHANNON = 0.15

_WHITE = 255
_VALUES_PER_STEP = 8  # so that the comb of values left by stretched contrast is no difference


def compare_manifests(manifest_uri: str, earlier_uri: str) -> Drift:
    """Compares two manifests, each a local file or a `gs://` object, or a folder; see read_manifest.

    Raises:
      DataError: if one of them is missing, is not a manifest or has no sums by field beside it; and as compare does.
    """
    return compare(read_dataset(manifest_uri), read_dataset(earlier_uri))


def read_dataset(uri: str) -> FieldArrays:
    """Reads a manifest, wherever its dataset is, and the sums by field beside it.

    Raises:
      DataError: if there is no such file or object, it is not a manifest, or there are no sums by field.
    """
    manifest, _, found = read_manifest(uri)
    return FieldArrays(manifest, read_fields(found, manifest))


def compare(new: FieldArrays, old: FieldArrays) -> Drift:
    """Compares all tiles of a dataset with all tiles of an earlier one. Classes and bands are matched by name.

    Raises:
      DataError: if no class or no band is in both.
    """
    manifest, earlier = new.manifest, old.manifest
    classes = _in_both("class", manifest.classes, earlier.classes)
    bands = _in_both("band", manifest.bands, earlier.bands)
    p_values = {
        **{name: ratio_test(new.tiles_of(name), new.tiles, old.tiles_of(name), old.tiles) for name in classes},
        **{f"{name} mean": ratio_test(new.sums(name), new.pixels, old.sums(name), old.pixels) for name in bands},
    }
    for name in bands:
        # Each around its own mean, so that a difference of the means alone is no difference of the deviations.
        centres = new.mean(name), old.mean(name)
        spreads = [sample.spread(name, centre) for sample, centre in zip((new, old), centres, strict=True)]
        p_values[f"{name} std"] = ratio_test(spreads[0], new.pixels, spreads[1], old.pixels)
    remarks = _remarks(manifest, earlier)
    if min(new.num_fields, old.num_fields) < MIN_FIELDS:
        remarks.append(
            f"too few fields to tell: {new.num_fields} against {old.num_fields}, need at least {MIN_FIELDS} each"
        )
        p_values = dict.fromkeys(p_values, 1.0)
    p_values = holm(p_values)
    has_fields = min(new.num_fields, old.num_fields) >= MIN_FIELDS
    class_shifts = tuple(_class_shift(name, new, old, p_values) for name in classes)
    labels = [[float(each.tiles_of(name).sum()) for name in classes] for each in (new, old)]
    return Drift(
        dataset_id=manifest.sha256[:16],
        earlier_id=earlier.sha256[:16],
        size=new.size,
        earlier_size=old.size,
        classes=class_shifts,
        bands=tuple(_band_shift(name, new, old, p_values, has_fields) for name in bands),
        jensen_shannon=jensen_shannon(*labels) if all(map(sum, labels)) else 0.0,
        total_variation=_total_variation(*labels),
        remarks=tuple(remarks),
    )


def _in_both(kind: str, names: Sequence[str], earlier: Sequence[str]) -> list[str]:
    if shared := [name for name in names if name in earlier]:
        return shared
    raise DataError(f"no {kind} is in both datasets: {', '.join(names)} here, {', '.join(earlier)} in the earlier one")


def _remarks(manifest: Manifest, earlier: Manifest) -> list[str]:
    remarks = []
    for names, others, where in (
        ((*manifest.classes, *manifest.bands), (*earlier.classes, *earlier.bands), "here"),
        ((*earlier.classes, *earlier.bands), (*manifest.classes, *manifest.bands), "in the earlier one"),
    ):
        if alone := [name for name in names if name not in others]:
            remarks.append(f"only {where}: {', '.join(alone)}")
    sizes = manifest.tile_size_px, earlier.tile_size_px
    if sizes[0] != sizes[1]:
        here, there = (f"{size} px" if size else "full size" for size in sizes)
        remarks.append(f"tiles are stored at {here}, earlier ones at {there}, and smaller ones have less contrast")
    return remarks


def _total_variation(labels: Sequence[float], earlier_labels: Sequence[float]) -> float:
    """Returns half the sum of the differences between the classes' shares of all labels."""
    shares = [[count / max(sum(counts), 1) for count in counts] for counts in (labels, earlier_labels)]
    return math.fsum(abs(share - earlier) for share, earlier in zip(*shares, strict=True)) / 2


def _class_shift(name: str, new: FieldArrays, old: FieldArrays, p_values: Mapping[str, float]) -> ClassShift:
    num_tiles, earlier_num_tiles = int(new.tiles.sum()), int(old.tiles.sum())
    share, earlier_share = (float(each.tiles_of(name).sum() / each.tiles.sum()) for each in (new, old))
    index = stability_index(share, earlier_share, num_tiles, earlier_num_tiles)
    is_large = index >= MIN_STABILITY_INDEX or max(share, earlier_share) >= MIN_CLASS_RATIO * min(share, earlier_share)
    return ClassShift(
        name=name,
        share=share,
        earlier_share=earlier_share,
        stability_index=index,
        p_value=p_values[name],
        is_shift=is_large and p_values[name] < FALSE_ALARM_RATE,
    )


def _band_shift(
    name: str, new: FieldArrays, old: FieldArrays, p_values: Mapping[str, float], has_fields: bool
) -> BandShift:
    noise = max((distance for sample in (new, old) for distance in between_splits(sample, name)), default=None)
    chances = p_values[f"{name} mean"], p_values[f"{name} std"]
    return band_shift(name, new.histogram(name), old.histogram(name), noise, chances, has_fields)


def band_shift(
    name: str,
    new: Sequence[int],
    old: Sequence[int],
    noise: float | None,
    p_values: tuple[float, float],
    is_enough: bool,
) -> BandShift:
    """Returns how far a band has shifted, and in what.

    Args:
      new, old: Its histograms, [256].
      noise: The largest Jensen-Shannon distance between splits of one dataset; None if unknown.
      p_values: Of the differences of mean and of standard deviation.
      is_enough: Whether there is enough to judge the shape by.
    """
    (mean, std), (earlier_mean, earlier_std) = mean_and_std(new), mean_and_std(old)
    # A band with a single value has no deviation to divide by.
    shift_stds = (mean - earlier_mean) / max(earlier_std, 1 / _WHITE)
    shape = jensen_shannon(in_steps(new), in_steps(old))
    mean_p_value, std_p_value = p_values
    is_mean_shift = abs(shift_stds) >= MIN_MEAN_SHIFT_STDS and mean_p_value < FALSE_ALARM_RATE
    is_std_shift = max(std, earlier_std) >= MIN_STD_RATIO * min(std, earlier_std) and std_p_value < FALSE_ALARM_RATE
    is_far = is_enough and noise is not None and shape >= MIN_JENSEN_SHANNON and shape > noise
    return BandShift(
        name=name,
        mean=mean,
        earlier_mean=earlier_mean,
        std=std,
        earlier_std=earlier_std,
        shift_stds=shift_stds,
        distance=wasserstein(new, old),
        jensen_shannon=shape,
        split_jensen_shannon=noise,
        mean_p_value=mean_p_value,
        std_p_value=std_p_value,
        is_mean_shift=is_mean_shift,
        is_std_shift=is_std_shift,
        is_shape_shift=is_far and not is_mean_shift and not is_std_shift,
    )


def in_steps(histogram: Sequence[int]) -> list[int]:
    """Returns a histogram, [256], with wider steps."""
    starts = range(0, len(histogram), _VALUES_PER_STEP)
    return [sum(histogram[start : start + _VALUES_PER_STEP]) for start in starts]


def between_splits(sample: FieldArrays, band: str) -> list[float]:
    """Returns the Jensen-Shannon distances of a band between each two splits, which share no field."""
    index = sample.manifest.bands.index(band)
    histograms = [in_steps(split.band_histogram[index]) for split in sample.manifest.splits.values()]
    return [jensen_shannon(*pair) for pair in itertools.combinations(filter(any, histograms), 2)]
