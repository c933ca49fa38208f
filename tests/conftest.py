"""The order in which the files of tests are handed out to the processes that run them."""

import collections

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files with most slow tests first.

    Each process takes the next file when it is done with one. If the longest came last, one process would run it while
    the other had nothing left to do.
    """
    num_slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -num_slow[item.path])
