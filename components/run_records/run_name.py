"""What the name of a run on Kubeflow tells: the version of the pipeline, its commit, and the trigger that started it.

A name is `<pipeline> <version> <rest>`. A version that nobody named is `<commit>-<hash>`, see
pipeline/kubeflow/package.py; the rest is `retrain-<key of the trigger>-<attempt>` if a trigger started the run, and
otherwise a time.
"""

import dataclasses
import re

TRAINING_PIPELINE = "agrivision-training"  # as in pipeline/dag.py, which components do not know
_VERSION = re.compile(r"(?P<commit>[0-9a-f]{12})-[0-9a-f]{8}")
_TRIGGER = re.compile(r"retrain-(?P<key>[0-9a-f]{64})-\d+")


@dataclasses.dataclass(frozen=True)
class RunName:
    """The parts of a run's name; empty if it does not have them."""

    version: str = ""
    commit: str = ""
    trigger_key: str = ""


def parse_run_name(name: str) -> RunName:
    """Returns the parts of a run's name; what a person has typed as one may have none."""
    first, *words = name.split(" ")
    if first != TRAINING_PIPELINE or not words:
        return RunName()
    trigger = next((found for word in words if (found := _TRIGGER.fullmatch(word))), None)
    version = "" if trigger and words[0] == trigger[0] else words[0]
    return RunName(version, commit_of(version), trigger["key"] if trigger else "")


def commit_of(version: str) -> str:
    """Returns the first 12 characters of the commit that a version is named by; empty if it is named otherwise."""
    match = _VERSION.fullmatch(version)
    return match["commit"] if match else ""


def filled_in(text: str) -> str:
    """Returns what Kubeflow has put in place of one of its placeholders; empty where nobody has, as on a laptop."""
    return "" if "{{" in text else text
