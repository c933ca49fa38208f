"""What a comparison of served tiles with a dataset found, and what to do about it."""

import dataclasses
from enum import StrEnum

from components.dataset.drift.findings import BandShift, ClassShift


class ToDo(StrEnum):
    """What follows from a comparison."""

    RETRAIN = "retrain"
    KEEP = "keep"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedDrift:
    """The result of compare_served. Earlier is the dataset, or for classes the test split; now is what was served.

    Attributes:
      version: Of the model that answered.
      num_tiles, num_windows, since, until: What was served, and when.
      num_fields: As many fields as so many tiles of the dataset have.
      classes: Shares of the tiles that the model gave each class. The p-values are adjusted, as those of the bands are.
      remarks: What limits the comparison, one remark each.
      too_few: Why it is undecided; empty if it is not.
    """

    version: str
    dataset_id: str
    num_tiles: int
    num_windows: int
    since: str
    until: str
    num_fields: float
    classes: tuple[ClassShift, ...]
    bands: tuple[BandShift, ...]
    remarks: tuple[str, ...] = ()
    too_few: str = ""

    @property
    def to_do(self) -> ToDo:
        """What to do; never anything on too few tiles."""
        if self.too_few:
            return ToDo.UNDECIDED
        return ToDo.RETRAIN if self._found() else ToDo.KEEP

    @property
    def reason(self) -> str:
        """Why, in one line."""
        found = "; ".join(self._found()) or "neither bands nor answers have shifted"
        return "; ".join([self.too_few or found, *self.remarks])

    def _found(self) -> list[str]:
        classes = sorted((each for each in self.classes if each.is_shift), key=lambda each: -each.stability_index)
        bands = [f"served {band}" for band in self.bands if band.is_shift]
        return [*bands, *(f"answers {each}" for each in classes)]

    def as_dict(self) -> dict[str, object]:
        """Returns it as what JSON can hold, the outcome and its reason first."""
        return {"outcome": self.to_do.value, "reason": self.reason, **dataclasses.asdict(self)}
