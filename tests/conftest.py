"""What holds for all tests: whether workers have a network of their own, and which files run first."""

import collections
import os

import pytest

from components.private_network import NoPrivateNetwork, private_network


def pytest_configure() -> None:
    """Lets workers train together where the system gives them no network of their own, as in most containers."""
    try:
        with private_network():
            pass
    except NoPrivateNetwork:
        os.environ.setdefault("AGRIVISION_TRUSTED_NETWORK", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files with most slow tests first.

    Each process takes the next file when it is done with one. If the longest came last, one process would run it while
    the other had nothing left to do.
    """
    num_slow = collections.Counter(item.path for item in items if any(map(item.get_closest_marker, ("slow", "long"))))
    items.sort(key=lambda item: -num_slow[item.path])
