"""Is the canary worse than the stable version, by more than noise and by more than is allowed?

Each measure is a difference, canary less stable, with an interval. The canary is withdrawn if some interval lies above
what is allowed, and promoted if each lies below it. Otherwise nothing is decided; more requests make intervals shorter.
All intervals hold together in 99 of 100 cases. Tiles of one request are alike, so requests count, not tiles.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TypeAlias

from components.dataset.drift.compare import MIN_JENSEN_SHANNON, in_steps
from components.dataset.drift.distances import jensen_shannon
from components.serve.canary.observed import Observed
from components.serve.canary.settings import CanarySettings

_ERROR_RATE = 0.01  # of all intervals together
_USUAL = 0.95  # the share of the stable version's requests that are not slow

_Interval: TypeAlias = tuple[float, float]


class Outcome(StrEnum):
    """What follows for the canary."""

    PROMOTE = "promote"
    WITHDRAW = "withdraw"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """How much worse the canary is in one respect.

    Attributes:
      stable, canary: The shares, 0..1.
      low, high: The interval of canary less stable.
      allowed: The largest difference that is.
    """

    name: str
    stable: float
    canary: float
    low: float
    high: float
    allowed: float

    def __str__(self) -> str:
        return (
            f"{self.name} {self.stable:.1%} → {self.canary:.1%} "
            f"({self.low:+.1%} to {self.high:+.1%}, allowed {self.allowed:+.1%})"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to do with the canary, and why in one line."""

    outcome: Outcome
    reason: str
    stable_version: str
    canary_version: str
    stable_requests: int
    canary_requests: int
    measures: tuple[Measure, ...] = ()


def judge_canary(stable: Observed, canary: Observed, settings: CanarySettings) -> Verdict:
    """Returns what follows from what both answered."""

    def verdict(outcome: Outcome, reason: str, measures: tuple[Measure, ...] = ()) -> Verdict:
        return Verdict(
            outcome=outcome,
            reason=reason,
            stable_version=stable.version,
            canary_version=canary.version,
            stable_requests=stable.requests,
            canary_requests=canary.requests,
            measures=measures,
        )

    if (fewest := min(stable.requests, canary.requests)) < settings.min_requests:
        return verdict(Outcome.UNDECIDED, f"{fewest:,} requests are too few; need {settings.min_requests:,} of each")
    if reason := _asked_differently(stable, canary):
        return verdict(Outcome.UNDECIDED, reason)
    measures = _measures(stable, canary, settings)
    if worse := [each for each in measures if each.low > each.allowed]:
        return verdict(Outcome.WITHDRAW, f"worse: {'; '.join(map(str, worse))}", measures)
    if unclear := [each for each in measures if each.high > each.allowed]:
        return verdict(Outcome.UNDECIDED, f"more requests are needed: {'; '.join(map(str, unclear))}", measures)
    # One that answers nothing but errors has no tiles, and is withdrawn above.
    if min(stable.tile_requests, canary.tile_requests) < settings.min_requests:
        return verdict(Outcome.UNDECIDED, "too few requests were answered to compare the answers", measures)
    return verdict(Outcome.PROMOTE, f"no worse: {'; '.join(map(str, measures))}", measures)


def _asked_differently(stable: Observed, canary: Observed) -> str:
    """Returns why the answers cannot be compared; empty if both were asked about tiles of one kind."""
    bands = stable.served.last.bands
    if bands != canary.served.last.bands:
        return f"the versions take other bands: {', '.join(bands)} and {', '.join(canary.served.last.bands)}"
    if not (stable.band_histogram.any() and canary.band_histogram.any()):
        return ""
    for band, counts in zip(bands, zip(stable.band_histogram, canary.band_histogram, strict=True), strict=True):
        apart = jensen_shannon(*(in_steps(each.tolist()) for each in counts))
        if apart >= MIN_JENSEN_SHANNON:
            return (
                f"they were asked about other tiles, with {band} {apart:.2f} apart; is the traffic divided by chance?"
            )
    return ""


def _measures(stable: Observed, canary: Observed, settings: CanarySettings) -> tuple[Measure, ...]:
    shares = {
        seen.version: dict(zip(seen.served.last.classes, seen.served.last.test_share, strict=True))
        for seen in (stable, canary)
    }
    classes = [
        name
        for name, share in shares[stable.version].items()
        if share is not None and shares[canary.version].get(name) is not None
    ]
    if not (stable.tile_requests and canary.tile_requests):
        classes = []
    z = statistics.NormalDist().inv_cdf(1 - _ERROR_RATE / 2 / (2 + len(classes)))
    limit = _slow_from(stable)
    seconds = "longer than ever" if math.isinf(limit) else f"over {limit:g} s"

    def of_requests(counts: Callable[[Observed], tuple[int, int]]) -> Iterator[tuple[float, _Interval]]:
        for count, total in map(counts, (stable, canary)):
            yield count / total, _wilson(count / total, total, z)

    errors = of_requests(lambda seen: (seen.errors, seen.requests))
    slow = of_requests(lambda seen: (seen.within[math.inf] - seen.within.get(limit, 0), seen.within[math.inf]))
    return (
        _measure("errors", settings.more_errors, *errors),
        _measure(f"requests {seconds}", settings.more_slow, *slow),
        *(
            _measure(
                f"{name} off test by",
                settings.more_drift,
                *(_off_test(each, name, shares[each.version][name] or 0.0, z) for each in (stable, canary)),
            )
            for name in classes
        ),
    )


def _slow_from(stable: Observed) -> float:
    """Returns the least seconds, of those that are counted, within which nineteen of twenty requests were answered."""
    return min(limit for limit, number in stable.within.items() if number >= _USUAL * stable.within[math.inf])


def _off_test(seen: Observed, name: str, on_test: float, z: float) -> tuple[float, _Interval]:
    """Returns how far the share of a class among the answers is from that on test, and its interval."""
    share = float(seen.predicted[seen.served.last.classes.index(name)] / seen.tiles)
    low, high = _wilson(share, seen.tile_requests, z)
    ends = abs(low - on_test), abs(high - on_test)
    return abs(share - on_test), (0.0 if low <= on_test <= high else min(ends), max(ends))


def _wilson(share: float, number: int, z: float) -> _Interval:
    """Returns the score interval of a share (Wilson 1927, Journal of the American Statistical Association 22:209)."""
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * math.sqrt(share * (1 - share) / number + (z / (2 * number)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def _measure(name: str, allowed: float, stable: tuple[float, _Interval], canary: tuple[float, _Interval]) -> Measure:
    """Returns a measure with the interval of the difference, which follows from those of both.

    The square-and-add rule (Newcombe 1998, Statistics in Medicine 17:873; for any estimates Zou & Donner 2008, ibid.
    27:1693).
    """
    (before, (low_before, high_before)), (now, (low, high)) = stable, canary
    return Measure(
        name=name,
        stable=before,
        canary=now,
        low=now - before - math.hypot(now - low, high_before - before),
        high=now - before + math.hypot(high - now, before - low_before),
        allowed=allowed,
    )
