"""Mirrors a source, for a process that the operating system bounds."""

from components import mirror
from components.progress import StepLog


def mirrored(source_uri: str, target_uri: str) -> str:
    return mirror.mirror(source_uri, target_uri, StepLog("mirror"))
