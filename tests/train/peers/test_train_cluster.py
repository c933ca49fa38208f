import concurrent.futures
import time

import pytest
from train_fixtures import free_address

from components.train.peers.cluster import meet_peers, task_of
from components.train.peers.rendezvous import LostPeer

NONCE = "0123456789abcdef"


def test_workers_leave_together_whoever_comes_first() -> None:
    address, delays, left = free_address(), (0.0, 0.8, 0.3), []

    def work(worker: int) -> None:
        time.sleep(delays[worker])
        meet_peers(address, NONCE, worker, 3, wait_seconds=20.0)
        left.append(time.monotonic())

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(work, range(3)))
    assert min(left) - started >= 0.8
    assert max(left) - min(left) < 0.5


@pytest.mark.parametrize("present", [[0], [1], [0, 1]])
def test_a_worker_does_not_wait_for_ever(present: list[int]) -> None:
    address = free_address()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        futures = [pool.submit(meet_peers, address, NONCE, worker, 3, 1.0) for worker in present]
        for future in futures:
            with pytest.raises(LostPeer, match="of 3 gave up waiting for its peers after 1 s"):
                future.result(timeout=10.0)


@pytest.mark.parametrize(
    ("tf_config", "expected"),
    [
        ("", ("worker", 0)),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', ("worker", 1)),
    ],
)
def test_the_place_in_the_cluster_comes_from_tf_config(tf_config: str, expected: int) -> None:
    assert task_of(tf_config) == expected
