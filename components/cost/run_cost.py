"""The cost of a run: the seconds of each step's pods, times the price and the watts of the nodes that they ran on."""

from collections.abc import Collection, Mapping

from components.contracts.runs.cost import RunCost, StepCost
from components.cost.prices import Prices

_HOUR = 3600.0


def run_cost(
    steps: Mapping[str, tuple[str, float]], prices: Prices, num_tiles: int = 0, cached: Collection[str] = ()
) -> RunCost:
    """Returns what a run, or a part of it, cost.

    Args:
      steps: By name of each step that ran: the profile of its pods, and the seconds that were paid for, added up over
        its pods (PodSeconds.paid of a training).
      prices: The prices of these profiles.
      num_tiles: Tiles of the dataset; 0 if unknown.
      cached: Steps whose outputs Kubeflow took from an earlier run, which cost nothing.

    Raises:
      SettingsError: if there is no price of a profile.
    """
    found = {}
    verified = True
    for name, (profile, seconds) in steps.items():
        if name in cached:
            continue
        price = prices.of(profile)
        verified = verified and (price.verified or not seconds)
        found[name] = StepCost(
            profile=profile,
            pod_seconds=seconds,
            cost=price.per_hour * seconds / _HOUR,
            kwh=price.watts * seconds / (1000 * _HOUR),
        )
    found |= {name: StepCost(profile=steps.get(name, ("", 0.0))[0], is_cached=True) for name in cached}
    return RunCost(
        currency=prices.currency,
        prices_of=prices.date.isoformat(),
        prices_source=prices.source,
        is_verified=verified,
        steps=found,
        cost=sum(step.cost for step in found.values()),
        kwh=sum(step.kwh for step in found.values()),
        num_tiles=num_tiles,
    )


def seconds_for(amount: float, profile: str, num_nodes: int, prices: Prices) -> float:
    """Returns for how many seconds an amount of money pays these nodes; infinite if they cost nothing.

    Raises:
      SettingsError: if there is no price of the profile.
    """
    per_hour = prices.of(profile).per_hour * num_nodes
    return amount / per_hour * _HOUR if per_hour else float("inf")
