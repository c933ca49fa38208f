"""Looks at both versions, judges, and moves the channels to what was decided."""

import time
from collections.abc import Callable, Sequence

from components.errors import SettingsError
from components.registry.channels import read_channel
from components.registry.promotion import promote
from components.serve.canary.observed import Observed, observe
from components.serve.canary.settings import CanarySettings
from components.serve.canary.verdict import Outcome, Verdict, judge_canary


def watch(
    stable: Sequence[str],
    canary: Sequence[str],
    settings: CanarySettings,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Returns the verdict on the servers at these addresses.

    Raises:
      AgrivisionError: as observe does; if both serve one version.
    """

    def both() -> tuple[Observed, Observed]:
        return observe(stable, settings.name), observe(canary, settings.name)

    seen = both()
    if seen[0].version == seen[1].version:
        raise SettingsError(f"stable and canary are both version {seen[0].version}; give the addresses of two versions")
    if settings.watch_seconds:
        sleep(settings.watch_seconds)
        later = both()
        seen = later[0].since(seen[0]), later[1].since(seen[1])
    return judge_canary(*seen, settings)


def act(verdict: Verdict, settings: CanarySettings) -> str:
    """Moves the channel that the verdict concerns; returns a line, empty if nothing was to do.

    Raises:
      SettingsError: if the channel does not name the version that was judged: somebody moved it meanwhile.
      AgrivisionError: as promote does.
    """
    if not settings.models_uri or verdict.outcome is Outcome.UNDECIDED:
        return ""
    stable, canary = verdict.stable_version, verdict.canary_version
    if verdict.outcome is Outcome.PROMOTE:
        channel, before, after = settings.channel, stable, canary
    else:
        channel, before, after = settings.canary_channel, canary, stable
    state, _ = read_channel(settings.models_uri, channel)
    current = state.version if state else None
    if current == after:
        return f"{channel} is version {after} already"  # by an earlier run
    if current != before:
        raise SettingsError(
            f"{channel} in {settings.models_uri!r} is version {current or 'none'}, and {before} was judged; "
            f"decided: {verdict.outcome} {canary}, and nothing was moved"
        )
    return promote(settings.models_uri, after, channel, f"canary: {verdict.reason}")
