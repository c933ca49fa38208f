"""Environments made from a hash-locked requirements file, kept outside the repository under the lock's hash."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CACHE = Path.home() / ".cache/agrivision-kfp"
_OFFLINE = ("NewConnectionError", "ConnectTimeout", "Temporary failure in name resolution", "Network is unreachable")


def locked_environment(name: str) -> Path:
    """Returns the environment of requirements/<name>.txt, made if it is not there; skips where no registry answers."""
    lock = ROOT / f"requirements/{name}.txt"
    place = CACHE / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(place.with_suffix(".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
            options = "-q --retries 2 --disable-pip-version-check --no-deps --require-hashes"
            made = subprocess.run(
                [place / "bin/python", "-m", "pip", "install", *options.split(), "-r", lock],
                text=True,
                capture_output=True,
                timeout=900,
            )
            if made.returncode and any(word in made.stdout + made.stderr for word in _OFFLINE):
                pytest.skip(f"needs a package registry, to make the environment of requirements/{name}.txt")
            assert made.returncode == 0, made.stderr[-2000:]
            (place / "complete").touch()
    return place
