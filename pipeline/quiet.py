"""Imports TensorFlow without the lines that its C++ side writes before it can be told not to."""

import os


def import_tensorflow() -> None:
    """Imports TensorFlow with file descriptor 2 closed to it; Python's own errors still come through as exceptions."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
