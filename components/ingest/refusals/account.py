"""What became of the files of a source: used, rejected with their tile, or ignored; and which masks tiles have."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping

from components.contracts import SourceFile, WhyIgnored
from components.ignored import IgnoredTally

# In place of a class's name where a link to nothing hides it: the link is in place of a folder, or states the splits.
ANY_CLASS = "-"


@dataclasses.dataclass
class Account:
    """Counts while files are paired. Each file is counted once, so that the sums are all files.

    Attributes:
      ignored: Files that belong to no tile.
      num_used: Files of good tiles, and those that state an official split.
      num_rejected: Files of rejected tiles, and second files of a name.
      num_labels: Files that give a tile its class, by class and the split of their folder: masks that belong to a tile,
        or the images of class folders.
      tiles_with: Good tiles that have a mask, by class and split.
      num_tiles: Good tiles by split.
      num_alike: In class folders, names of Agriculture-Vision tiles that PNG files of two classes have; `num_png_names`
        are all that PNG files have.
    """

    ignored: IgnoredTally = dataclasses.field(default_factory=IgnoredTally)
    num_used: int = 0
    num_rejected: int = 0
    num_labels: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    tiles_with: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)
    num_tiles: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    num_alike: int = 0
    num_png_names: int = 0

    def leave(
        self, reason: WhyIgnored, split: str, images: Iterable[SourceFile], labels: Mapping[str, SourceFile]
    ) -> None:
        """Counts the files of a name that becomes no tile; `labels` by class."""
        for file in images:
            self.ignored.add(reason, "", split, file.path)
        for class_name, file in labels.items():
            self.ignored.add(reason, class_name, split, file.path)

    def note_labels(self, split: str, labels: Iterable[str]) -> None:
        """Counts the files that give a tile its classes, be it good or not."""
        for class_name in labels:
            self.num_labels[class_name, split] += 1

    def note_tile(self, split: str, labels: Iterable[str]) -> None:
        """Counts a good tile."""
        self.num_tiles[split] += 1
        for class_name in labels:
            self.tiles_with[class_name, split] += 1

    def files_of_class(self) -> collections.Counter[str]:
        """Returns the sums of `num_labels` by class."""
        counts: collections.Counter[str] = collections.Counter()
        for (class_name, _), count in self.num_labels.items():
            counts[class_name] += count
        return counts
