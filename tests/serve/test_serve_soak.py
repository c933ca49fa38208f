"""A server under load for a while, with three changes of its model within: no error, and no growth.

AGRIVISION_SOAK_SECONDS says for how long; the default is short.
"""

import os
import time

import numpy as np
import pytest
from serving import children_of, outputs_of, post, resident_mb, served

from components.registry.promotion import promote, rollback

pytestmark = pytest.mark.long

SECONDS = float(os.environ.get("AGRIVISION_SOAK_SECONDS", "40"))
MOST_GROWTH_MB = 30.0  # of the server's own process, after the first quarter
TOLERANCE = 1e-5


def test_three_swaps_under_load_lose_no_request_and_no_memory(models, tmp_path):
    import concurrent.futures
    import shutil

    registry = shutil.copytree(models.uri, tmp_path / "models")
    counts = dict.fromkeys(models.expected, 0)

    def ask(number):
        turn = number
        with running.client() as client:
            while time.monotonic() < deadline:
                turn = (turn + 5) % 21
                response = post(client, models.tiles[turn : turn + 3])
                found, version = outputs_of(response), response.json()["model_version"]
                expected = models.expected[version]["probabilities"][turn : turn + 3]
                assert np.abs(found["probabilities"] - expected).max() <= TOLERANCE
                counts[version] += 1

    with served(registry, "--poll-seconds", "0.3") as running, concurrent.futures.ThreadPoolExecutor(4) as pool:
        deadline = time.monotonic() + SECONDS
        clients = [pool.submit(ask, number) for number in range(4)]
        sizes = []
        for move in (
            lambda: promote(str(registry), models.second, "production"),
            lambda: rollback(str(registry)),
            lambda: promote(str(registry), models.second, "production"),
        ):
            time.sleep(SECONDS / 4)
            sizes.append(resident_mb(running.process.pid))
            move()
        for client in clients:
            client.result()
        sizes.append(resident_mb(running.process.pid))
        running.wait_for_line(f"{models.second} answers in the place of .*")
        while len(children_of(running.process.pid)) > 1:  # the old model is ending
            time.sleep(0.1)
            assert time.monotonic() < deadline + 60
        print(f"{sum(counts.values()):,} requests in {SECONDS:.0f} s, the server had {sizes} MB")
        swaps = [line for line in running.lines if "answers in the place of" in line]

        assert running.end() == 0

    assert len(swaps) == 3
    assert all(counts.values())
    assert max(sizes[1:]) - sizes[0] <= MOST_GROWTH_MB, sizes
