"""Which runs of cells belong together: connected components of a graph, by arrays alone."""

import numpy as np
from numpy.typing import NDArray


def smallest_connected(num_nodes: int, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns for each node the smallest node that it is connected to, itself included, int64 [num_nodes].

    In each round every component that has a smaller neighbour joins it, so at least half of those that still have a
    neighbour are gone after it: a few rounds are enough for any graph.

    Args:
      num_nodes: Nodes are numbered from 0.
      one: One end of each edge, [E].
      other: The other end, [E].
    """
    root = np.arange(num_nodes, dtype=np.int64)
    while len(one):
        ends = root[one], root[other]
        low, high = np.minimum(*ends), np.maximum(*ends)
        apart = low != high
        if not apart.any():
            break
        one, other, low, high = one[apart], other[apart], low[apart], high[apart]
        np.minimum.at(root, high, low)
        while not np.array_equal(further := root[root], root):
            root = further
    return root
