"""How often workers exchange something in a step, which the receipt tells the model of scaling."""

from pathlib import Path

import pytest
from two_workers import lines_of_two_workers

SCRIPT = Path(__file__).parents[2] / "support" / "training" / "counted_reduces.py"


@pytest.mark.long
def test_the_exchanges_of_a_step_are_as_many_as_its_graph_has() -> None:
    """Two for each of the four layers of batch normalisation, one of gradients, and one of the loss."""
    assert lines_of_two_workers(SCRIPT) == [["counted 10, told 10"]] * 2
