"""Lets kfp.local decide on an output that has a name, such as the gate's `decision`.

kfp 2.17 resolves in a condition only what a step returns without a name, finds nothing for all else, and then skips
what depends on it. On a cluster there is no difference. tests/pipeline/test_named_outputs.py tells when kfp needs this
no longer.
"""

import contextlib
from typing import Any

from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator

_PREFIX = "pipelinechannel--"


def resolve_named_outputs() -> None:
    """Makes conditions find named outputs, in this process from now on."""
    theirs = ConditionEvaluator._resolve_pipeline_channel

    def resolve(channel: str, store: Any) -> Any:
        # A channel is called <step>-<output>, and no output of ours has a hyphen in its name.
        step, _, output = channel.removeprefix(_PREFIX).rpartition("-")
        with contextlib.suppress(ValueError, KeyError):
            return store.get_task_output(step, output)
        return theirs(channel, store)

    ConditionEvaluator._resolve_pipeline_channel = staticmethod(resolve)
