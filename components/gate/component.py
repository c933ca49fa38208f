"""KFP wrapper of the gate step."""

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def gate(
    data_root: str,
    models_uri: str,
    min_macro_f1: float,
    min_class_f1: float,
    max_class_loss: float,
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Decides whether a model may be pushed: "push" or "refuse", and why."""
    from components.contracts import Evaluation
    from components.gate.decision import decide_push
    from components.gate.report import write_report
    from components.gate.settings import GateSettings
    from components.gate.wording import numbers_line
    from components.progress import step_log
    from components.storage import plain_place

    with step_log("gate") as log:
        settings = GateSettings(min_macro_f1=min_macro_f1, min_class_f1=min_class_f1, max_class_loss=max_class_loss)
        judged = Evaluation.read(evaluation.path)
        result = decide_push(plain_place(data_root), plain_place(models_uri), settings, judged)
        result.write(decision.path)
        write_report(result, judged, report.path)
        log.line(numbers_line(result))
        log.summary = result.reason
    return result.decision
