"""kfp.local and a condition on an output that has a name: what kfp does of itself, and what we make of it."""

import pytest
from kfp.local.io import IOStore
from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator

from pipeline.local.named_outputs import resolve_named_outputs

CONDITION = "inputs.parameter_values['pipelinechannel--gate-decision'] == 'push'"


@pytest.mark.parametrize(("decision", "is_met"), [("push", True), ("refuse", False)])
def test_a_condition_finds_the_output_of_this_name(monkeypatch, decision, is_met):
    monkeypatch.setattr(
        ConditionEvaluator, "_resolve_pipeline_channel", staticmethod(ConditionEvaluator._resolve_pipeline_channel)
    )
    store = IOStore()
    store.put_task_output("gate", "decision", decision)
    # Once kfp finds it alone, named_outputs.py can go.
    assert ConditionEvaluator._resolve_pipeline_channel("pipelinechannel--gate-decision", store) is None

    resolve_named_outputs()

    assert ConditionEvaluator.evaluate_condition(CONDITION, store) is is_met
