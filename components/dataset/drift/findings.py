"""The findings of a comparison with an earlier dataset, and its verdict in one line."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassShift:
    """A class that both datasets have.

    Attributes:
      share, earlier_share: Share of tiles that have the class, 0..1.
      stability_index: From distances.stability_index, at least 0.
      p_value: For fields of one population differing this much, adjusted for the number of tests; 1 if fields are few.
      is_shift: Whether the difference is both real and large.
    """

    name: str
    share: float
    earlier_share: float
    stability_index: float
    p_value: float
    is_shift: bool

    def __str__(self) -> str:
        return f"{self.name} {percent(self.earlier_share)} → {percent(self.share)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class BandShift:
    """A band that both datasets have; mean, deviation and distance are in 0..1.

    Attributes:
      shift_stds: Difference of the means in units of the earlier deviation.
      distance: From distances.wasserstein.
      jensen_shannon: Between the histograms in steps of 8 values, from distances.jensen_shannon.
      split_jensen_shannon: The largest between two splits of one dataset, which different fields of one population
        cause; None if neither dataset has two splits.
      mean_p_value, std_p_value: As for classes.
      is_shape_shift: Whether histograms are farther apart than splits are, for a reason other than mean and deviation.
    """

    name: str
    mean: float
    earlier_mean: float
    std: float
    earlier_std: float
    shift_stds: float
    distance: float
    jensen_shannon: float
    split_jensen_shannon: float | None
    mean_p_value: float
    std_p_value: float
    is_mean_shift: bool
    is_std_shift: bool
    is_shape_shift: bool

    @property
    def is_shift(self) -> bool:
        """Whether the band has shifted in any way."""
        return self.is_mean_shift or self.is_std_shift or self.is_shape_shift

    def __str__(self) -> str:
        mean = f"mean {self.mean - self.earlier_mean:+.2f}"
        std = f"deviation {self.earlier_std:.2f} → {self.std:.2f}"
        shape = f"histogram {self.jensen_shannon:.2f} apart"
        kinds = ((mean, self.is_mean_shift), (std, self.is_std_shift), (shape, self.is_shape_shift))
        parts = [text for text, found in kinds if found]
        return f"{self.name} {', '.join(parts) or mean}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift:
    """The result of compare.

    Attributes:
      size, earlier_size: How much was compared, e.g. "600 tiles of 40 fields".
      jensen_shannon, total_variation: Between the classes' shares of all labels, 0 (alike) to 1 (nothing in common).
      remarks: What limits the comparison, one remark each.
    """

    dataset_id: str
    earlier_id: str
    size: str
    earlier_size: str
    classes: tuple[ClassShift, ...]
    bands: tuple[BandShift, ...]
    jensen_shannon: float
    total_variation: float
    remarks: tuple[str, ...]

    @property
    def is_shift(self) -> bool:
        """Whether any class or band has shifted."""
        return any(each.is_shift for each in self.classes) or any(band.is_shift for band in self.bands)

    @property
    def verdict(self) -> str:
        """One line: "no shift", or "shift: weed_cluster 12 % → 31 %; nir mean +0.08", and what limits it."""
        classes = sorted((each for each in self.classes if each.is_shift), key=lambda each: -each.stability_index)
        bands = [band for band in self.bands if band.is_shift]
        found = "; ".join(map(str, (*classes, *bands)))
        return "; ".join([f"shift: {found}" if found else "no shift", *self.remarks])


def percent(share: float) -> str:
    """Returns a share, 0..1, as a percentage without decimals, but with one below 1 %."""
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"
