"""A row of our server against that of another project: the same model, tiles and number of clients."""

from pathlib import Path

from bench.pairs import Row, Side
from bench.run_settings import Setup
from bench.serving.serve_rows import DEMO, NUM_CLIENTS, served_side
from bench.serving.server_under_test import served_model
from bench.sides import compare
from components.measuring.turns import Turn


def against_peer(
    name: str, setup: Setup, target: float | None, environment: Path | None, program: str, how: str, turn: Turn
) -> Row:
    """Compares the two, with the backbone of the demo.

    Args:
      environment: Where the other server is installed.
      program: Its name there, and of the option that gives the environment.
      how: How it is used.

    Raises:
      ImportError: unless both are installed; the row is skipped.
    """
    import starlette  # noqa: F401

    if not environment or not (environment / "bin" / program).exists():
        raise ImportError(
            f"no --{program} with an environment in which it is installed; see bench/serving/{program}_rows.py"
        )
    what = f"{NUM_CLIENTS} clients that ask for one tile each as soon as they are answered; {DEMO[0]} at {DEMO[1]} px"
    served_model(setup, *DEMO)
    return compare(
        name,
        Side(f"agrivision serve, JPEG by the binary extension; {what}", served_side(setup, *DEMO, setup.num_tiles)),
        Side(f"{how}; {what}", turn),
        setup,
        target,
        note="the same SavedModel in both",
    )
