"""What may lie where a file was expected, and what a command must say of it."""

import os
import subprocess
from pathlib import Path


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def picture(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))


def made_by_hand(path: Path) -> None:
    path.write_text("{}")


def deep(path: Path) -> None:
    path.write_text('{"splits":' + "[" * 200_000 + "]" * 200_000 + "}")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(300 << 20)


def refused(result: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    """Checks that a command said why it refuses, in one line that cannot steer a terminal."""
    (line,) = result.stderr.splitlines()
    assert message in line
    assert (result.returncode, result.stdout) == (code, "")
    assert line.isprintable()
    assert len(line) < 1000
