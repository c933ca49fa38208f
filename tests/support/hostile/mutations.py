"""What disks, networks and people do to bytes: seeded damage to a file's content."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# For how often a test multiplies its mutations.
SCALES = [pytest.param(1, id="quick"), pytest.param(20, id="thorough", marks=pytest.mark.slow)]


def flip_a_bit(path: Path) -> None:
    """Changes the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:start] + rng.randbytes(end - start) + content[end:]


def _zero(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def _insert(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.randbytes(rng.choice((1, 1, 7, 100))) + content[start:]


def _delete(content: bytes, rng: random.Random) -> bytes:
    start, end = _range(content, rng)
    return content[:start] + content[end:]


def _duplicate(content: bytes, rng: random.Random) -> bytes:
    """Repeats a range in place, or writes it over another one of the same length."""
    start, end = _range(content, rng)
    if rng.random() < 0.5:
        return content[:end] + content[start:]
    other = rng.randrange(len(content) - (end - start) + 1)
    return content[:other] + content[start:end] + content[other + end - start :]


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.choice((rng.randrange(len(content)), len(content) - rng.randint(1, 4)))]


def _range(content: bytes, rng: random.Random) -> tuple[int, int]:
    """Returns a range of at least one byte, often a short one, sometimes all."""
    length = min(len(content), rng.choice((1, 4, 64, 512, rng.randint(1, len(content)))))
    start = rng.randrange(len(content) - length + 1)
    return start, start + length


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _overwrite, _zero, _insert, _delete, _duplicate, _truncate,
)  # fmt: skip


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yields `count` contents that differ from `content`, which has at least a few bytes; equal for equal seeds."""
    rng = random.Random(seed)
    while count:
        changed = rng.choice(MUTATIONS)(content, rng)
        if changed != content:
            yield changed
            count -= 1
