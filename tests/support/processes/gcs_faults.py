"""Faults of the gs:// server, on request."""

import json
import os
import urllib.error
import urllib.request

import pytest


def plant(*faults: dict) -> None:
    """Makes the server misbehave, `times` times for paths that contain `match`: it answers `status`, or a part, `cut`.

    What was planted before is gone. Skips the test where the server is another one, that cannot.
    """
    request = urllib.request.Request(f"{os.environ['STORAGE_EMULATOR_HOST']}/_faults", json.dumps(faults).encode())
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError:
        pytest.skip("this gs:// server has no faults on request")
