"""Tables of rounds whose ratios are known, and claims to judge by them."""

import msgspec

from components.contracts.study import Finding, RoundTable
from components.study.claims.claims_file import read_claims

CLAIMS = read_claims()
TIMED = CLAIMS.by_id["tfrecord_faster_cpu"]  # time_ratio_at_least 1.05
SEEDS = CLAIMS.by_id["averaged_sgd_worse"]  # difference_at_least 0.01


def claim_of(rule, bound, name="tfrecord_faster_cpu"):
    return msgspec.structs.replace(CLAIMS.by_id[name], rule=rule, bound=bound)


def table_of(pairs, again=None, num_planned=None, **values):
    """A table with two arms; A/A is the first arm's time multiplied by each of `again`."""
    rounds = [(*pair, *([pair[0] * ratio] if again else [])) for pair, ratio in zip(pairs, again or pairs, strict=True)]
    return RoundTable(
        name="t",
        factor="format",
        unit="s",
        num_planned=len(rounds) if num_planned is None else num_planned,
        seed=1,
        arms=("a", "b"),
        has_again=again is not None,
        rounds=tuple(rounds),
        **values,
    )


def finding_of(claim=TIMED, **values):
    return Finding(claim=claim.id, **{"table": "t", "arms": ("a", "b")} | values)


QUIET = (0.99, 1.01) * 30  # ratios of A/A


def timed_table(ratios, again=None):
    """A table whose rounds have these ratios."""
    return table_of([(ratio, 1.0) for ratio in ratios], list(again or QUIET[: len(ratios)]))
