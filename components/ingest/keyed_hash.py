"""Chance that is the same every time: a hash of a name, a seed and a purpose."""

import hashlib


def keyed_hash(purpose: str, seed: int, name: str) -> bytes:
    """Returns 16 bytes that follow from the name, and differ by seed and by purpose (at most 16 characters)."""
    return hashlib.blake2b(name.encode(), digest_size=16, key=str(seed).encode(), person=purpose.encode()).digest()
