"""A large source from a small one: every tile again and again under other names, by hard links, in its own split."""

import json
import os
from pathlib import Path

from components.agrivision import PAPER_2020
from components.synth.dataset import write_dataset

NUM_DRAWN = 300
_SIZE_PX = 64  # small, so that the full count takes minutes


def repeat_tiles(folder: Path, root: Path, num_tiles: int) -> int:
    """Makes `root`/source of at least `num_tiles` tiles, of the paper release's layout, and returns their number.

    A copy is a field of its own beside the original's, in the same split: the same picture in two would be a leak.
    """
    drawn = folder / f"tiles-{NUM_DRAWN}-{_SIZE_PX}"
    if not drawn.exists():
        write_dataset(drawn, layout=PAPER_2020, num_tiles=NUM_DRAWN, seed=0, tile_size_px=_SIZE_PX)
    source = root / "source"
    num_copies = -(-num_tiles // NUM_DRAWN)
    for path in sorted(drawn.rglob("*")):
        target = source / path.relative_to(drawn)
        if path.is_dir():
            target.mkdir(parents=True)
        elif path.name.endswith("_splits.json"):
            splits = json.loads(path.read_text())
            copies = {
                s: [_named(name, copy) for name in names for copy in range(num_copies)] for s, names in splits.items()
            }
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(copies))
        elif path.suffix in (".jpg", ".png"):
            field_id, _, window = path.name.partition("_")
            for copy in range(num_copies):
                os.link(path, target.with_name(f"{_named(field_id, copy)}_{window}"))
    return num_copies * NUM_DRAWN


def _named(field_id: str, copy: int) -> str:
    return f"{field_id}R{copy:05}"
