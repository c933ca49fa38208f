"""How long workers take to add up their gradients, each passing parts of them around a ring.

In N - 1 rounds the parts are added up, and in N - 1 more the sums are handed on. In each round a worker sends one part,
an Nth of all bytes. So it takes 2 (N - 1) / N x bytes / bandwidth + 2 (N - 1) x latency (Patarasuk and Yuan, 2009,
"Bandwidth optimal all-reduce algorithms for clusters of workstations").
"""

import dataclasses

_USUAL_LATENCY = 1e-4  # seconds of a message


@dataclasses.dataclass(frozen=True)
class RingLink:
    """What connects two workers of the ring.

    Attributes:
      bandwidth: Bytes per second, of one direction.
      latency: Seconds that each message takes on top.
    """

    bandwidth: float
    latency: float

    def __post_init__(self) -> None:
        if not self.bandwidth > 0 or not self.latency >= 0:
            raise ValueError(
                f"bandwidth must be above 0 and latency at least 0, got {self.bandwidth} and {self.latency}"
            )


def all_reduce_seconds(num_bytes: float, num_workers: int, link: RingLink, times: int = 1) -> float:
    """Returns how long the workers take to add up `num_bytes` in so many all-reduces; 0 for a single worker.

    Besides gradients, each layer of batch normalisation over all workers has two, of a few numbers: latency alone.
    """
    if num_workers < 1 or times < 1:
        raise ValueError(f"num_workers and times must be at least 1, got {num_workers} and {times}")
    rounds = 2 * (num_workers - 1)
    return rounds / num_workers * num_bytes / link.bandwidth + times * rounds * link.latency


def link_of(seconds: float, num_bytes: float, num_workers: int, latency_seconds: float = 0.0) -> RingLink:
    """Returns the link on which an all-reduce takes as long as was measured.

    Args:
      seconds: As measured.
      num_bytes: Of the gradients.
      num_workers: At least 2.
      latency_seconds: Of an all-reduce of one number, as measured; 0 if it was not. Where it is nearly all of
        `seconds`, the time is shared out between both.
    """
    if num_workers < 2 or not seconds > 0:
        raise ValueError(f"needs a time above 0 of at least 2 workers, got {seconds} s of {num_workers}")
    rounds = 2 * (num_workers - 1)
    latency = min(latency_seconds / rounds or _USUAL_LATENCY, seconds / rounds / 2)
    return RingLink(rounds / num_workers * num_bytes / (seconds - rounds * latency), latency)
