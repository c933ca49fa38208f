"""Findings for all claims: what is not given was not run here."""

import msgspec
from study_tables import CLAIMS

from components.contracts.study import Finding, Machine, Words

MACHINE = Machine(
    cpu="Some CPU @ 2.00GHz",
    num_cores=2,
    memory_bytes=16 << 30,
    system="Some Linux 12",
    python="3.11.7",
    tensorflow="2.21.0",
)
NO_GPU = Words(english="this machine has no GPU", spanish="esta máquina no tiene GPU")
MEASURED = {"tfrecord_faster_cpu": {"table": "t", "arms": ("a", "b")}}


def findings_of(measured=None):
    """Findings in the order of the claims; `measured` has the fields of those that ran, by claim."""
    measured = MEASURED if measured is None else measured
    return [
        msgspec.structs.replace(Finding(claim=claim.id), **measured.get(claim.id, {"not_run": NO_GPU}))
        for claim in CLAIMS.claims
    ]
