"""A process that tries what a model could: it says, a line each, what it could read, write and reach."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from components.saved_model.confined import give_up_files


def attempt(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except OSError:
        print(f"{what}: no")
    else:
        print(f"{what}: yes")


def main() -> None:
    secret, port = Path(sys.argv[2]), int(sys.argv[3])
    print(f"files given up: {'yes' if give_up_files(Path(sys.argv[1])) else 'no'}")
    attempt("read a file of the user", secret.read_bytes)
    attempt("write beside it", lambda: Path(f"{secret}.new").write_bytes(b"x"))
    attempt("read the parent's environment", Path(f"/proc/{os.getppid()}/environ").read_bytes)
    attempt("reach a server of this machine", lambda: socket.create_connection(("127.0.0.1", port), timeout=5))
    attempt("write at home", lambda: Path.home().joinpath("x").write_bytes(b"x"))
    print(f"environment: {' '.join(sorted(os.environ))}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
