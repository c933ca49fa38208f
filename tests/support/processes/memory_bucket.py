"""A `gs://` in this process's memory, with generations as the real one has them, for tests that start no server."""

from typing import Any

import pytest

from components.contracts import SourceFile
from components.errors import UnreachableError
from components.storage import bucket


class MemoryBucket:
    """All buckets that there are.

    Attributes:
      objects: Content and generation by URI.
      num_writes: How often something was written.
      is_away: Whether no bucket answers.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.num_writes, self.is_away = 0, False

    def __getitem__(self, uri: str) -> bytes:
        return self.objects[uri][0]

    def _answer(self, uri: str) -> None:
        if self.is_away:
            raise UnreachableError(f"no answer about {uri!r}")

    def read(self, uri: str, start: int | None = None, end: int | None = None) -> bytes:
        self._answer(uri)
        if uri not in self.objects:
            raise FileNotFoundError(uri)
        return self.objects[uri][0][start:end]

    def size(self, uri: str) -> int | None:
        self._answer(uri)
        return len(self.objects[uri][0]) if uri in self.objects else None

    def write(self, uri: str, content: bytes) -> None:
        self._answer(uri)
        self.num_writes += 1
        self.objects[uri] = content, self.num_writes

    def write_if(self, uri: str, content: bytes, generation: int) -> bool:
        self._answer(uri)
        if self.objects.get(uri, (b"", 0))[1] != generation:
            return False
        self.write(uri, content)
        return True

    def read_with_generation(self, uri: str) -> tuple[bytes, int] | None:
        self._answer(uri)
        return self.objects.get(uri)

    def list_objects(self, root: str) -> Any:
        self._answer(root)
        for uri, (content, generation) in self.objects.items():
            if uri.startswith(f"{root}/"):
                yield SourceFile(uri.removeprefix(f"{root}/"), len(content), str(generation))


def memory_bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryBucket:
    """Returns buckets that this test alone has, and that every `gs://` is in now."""
    here = MemoryBucket()
    for name in ("read", "size", "write", "write_if", "read_with_generation", "list_objects"):
        monkeypatch.setattr(bucket, name, getattr(here, name))
    return here
