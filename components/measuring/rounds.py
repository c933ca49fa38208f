"""The order of turns: in each round every side has one turn, in an order drawn anew.

Another process that takes a processor for a while slows the sides of a round alike, so what counts is the ratio within
a round. The order is drawn because a fixed one favours a side whenever the machine changes slowly: a processor that
grows hot slows whoever always comes second. Of two sides that take equally long, each order was equally likely, so each
is ahead in a round with probability 1/2, whatever the machine does.
"""

import random
from collections.abc import Collection, Iterator, Mapping

from components.measuring.turns import Turn


def round_orders(sides: Collection[str], num_rounds: int, seed: int) -> Iterator[list[str]]:
    """Yields the order of the sides in each round; the same for the same seed."""
    generator = random.Random(seed)
    for _ in range(num_rounds):
        order = list(sides)
        generator.shuffle(order)
        yield order


def take_rounds(turns: Mapping[str, Turn], num_rounds: int, seed: int) -> list[dict[str, float]]:
    """Lets each side take a turn that does not count, then `num_rounds` rounds of a turn each.

    Returns:
      For each round, what each side's turn measured, with the sides as in `turns`.
    """
    for turn in turns.values():
        turn()  # warm: caches, compiled functions
    rounds = []
    for order in round_orders(turns, num_rounds, seed):
        measured = {side: turns[side]() for side in order}
        rounds.append({side: measured[side] for side in turns})
    return rounds
