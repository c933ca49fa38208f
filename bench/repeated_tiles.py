"""A large source from a small one: every tile again and again under other names, by hard links, in its own split."""

import json
import os
from pathlib import Path


def repeat_tiles(drawn: Path, source: Path, num_copies: int) -> None:
    """Makes the folder `source` with each tile of `drawn`, of the paper release's layout, `num_copies` times.

    A copy is a field of its own beside the original's, in the same split: the same picture in two would be a leak.
    """
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


def _named(field_id: str, copy: int) -> str:
    return f"{field_id}R{copy:05}"
