"""KFP wrapper of the gate step."""

from typing import NamedTuple

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def gate(
    data_root: str,
    models_uri: str,
    gate_min_macro_f1: float,
    gate_options: dict,
    evaluation: dsl.Input[dsl.Artifact],
    decision_document: dsl.Output[dsl.Artifact],
    decision_report: dsl.Output[dsl.HTML],
    decision_in_short: dsl.Output[dsl.Markdown],
) -> NamedTuple("Outputs", [("decision", str), ("reason", str)]):  # type: ignore[valid-type]
    """Decides whether a model may be pushed, and why.

    Args:
      data_root: Where the predictions are.
      models_uri: Where the ledger is of what the test fields have been asked.
      gate_min_macro_f1: Lowest macro F1 on the test fields at which a model is pushed.
      gate_options: What is rarely changed of how a model is judged.
      evaluation: The scores of the model, and of the one in production.
      decision_document: The decision with its numbers, for programs.
      decision_report: The same as a page.
      decision_in_short: The same in a few lines, with the way on.

    Returns:
      decision: "push" or "refuse".
      reason: One line.
    """
    from components.contracts import Evaluation
    from components.gate.decision import decide_push
    from components.gate.in_short import write_in_short
    from components.gate.report import write_report
    from components.gate.settings import OPTIONS, GateSettings
    from components.gate.wording import numbers_line
    from components.progress import step_log
    from components.setting import settings_from
    from components.storage import plain_place

    with step_log("gate") as log:
        settings = settings_from(GateSettings, OPTIONS, gate_options, is_shared=True, min_macro_f1=gate_min_macro_f1)
        judged = Evaluation.read(evaluation.path)
        result = decide_push(plain_place(data_root), plain_place(models_uri), settings, judged)
        result.write(decision_document.path)
        write_report(result, judged, decision_report.path)
        write_in_short(result, judged, decision_in_short.path)
        log.line(numbers_line(result))
        log.summary = result.reason
    return result.decision, result.reason
