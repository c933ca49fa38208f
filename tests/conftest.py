"""What holds for all tests."""

import os

from components.train.launch.local.private_network import NoPrivateNetwork, private_network


def pytest_configure() -> None:
    """Lets workers train together where the system gives them no network of their own, as in most containers."""
    try:
        with private_network():
            pass
    except NoPrivateNetwork:
        os.environ.setdefault("AGRIVISION_TRUSTED_NETWORK", "true")
