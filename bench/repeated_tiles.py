"""Makes a large source from a small one: hard links repeat every tile under other names, in the same split."""

import json
import os
from pathlib import Path

_COPIES_PER_FIELD = 4  # gives a field some 25 tiles; the paper release has 28
_FAR_PX = 100_000  # wider than any field, so that the windows of copies do not overlap


def repeat_tiles(drawn: Path, source: Path, num_copies: int) -> None:
    """Makes the folder `source` with each tile of `drawn`, in the paper release's layout, `num_copies` times.

    Copies belong to new fields in the split of the original: the same picture in two splits would be a leak.
    """
    for path in sorted(drawn.rglob("*")):
        target = source / path.relative_to(drawn)
        if path.is_dir():
            target.mkdir(parents=True)
        elif path.name.endswith("_splits.json"):
            splits = json.loads(path.read_text())
            copies = {
                s: [_named(name, field) for name in names for field in range(-(-num_copies // _COPIES_PER_FIELD))]
                for s, names in splits.items()
            }
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(copies))
        elif path.suffix in (".jpg", ".png"):
            field_id, _, window = path.name.partition("_")
            for copy in range(num_copies):
                field, place = divmod(copy, _COPIES_PER_FIELD)
                os.link(path, target.with_name(f"{_named(field_id, field)}_{_moved(window, place * _FAR_PX)}"))


def _named(field_id: str, copy: int) -> str:
    return f"{field_id}R{copy:05}"


def _moved(window: str, by_px: int) -> str:
    """Returns "<x1>-<y1>-<x2>-<y2>.<suffix>", moved to the right by `by_px`."""
    x1, y1, x2, rest = window.split("-", 3)
    return f"{int(x1) + by_px}-{y1}-{int(x2) + by_px}-{rest}"
