"""The floor of a dense head's maps: refused below it, or where no maps were judged."""

import json

import msgspec
import pytest
from deciding import FIELDS, alone, answers
from field_counts import evaluation_of, sums_of

from components.contracts import DenseScores
from components.contracts.gate import NUMBERS
from components.gate.decision import decide_push
from components.gate.in_short import write_in_short
from components.gate.report import write_report
from components.gate.settings import GateSettings
from components.gate.wording import numbers_line


def dense_of(mean_iou):
    return DenseScores(
        mean_iou=mean_iou,
        interval=(mean_iou - 0.1, mean_iou + 0.1),
        background_iou=0.9,
        class_iou={"a": mean_iou},
        thresholds=(0.5,),
        num_pixels=1_000,
    )


@pytest.mark.parametrize(
    ("mean_iou", "floor", "reason"),
    [
        (0.6, 0.0, "push: no model in production yet and macro F1 0.900 reaches the floor 0.500"),
        (0.6, 0.6, "push: no model in production yet and macro F1 0.900 reaches the floor 0.500"),
        (0.599, 0.6, "refuse (below_floor): mean IoU 0.599 is below the floor 0.600"),
        (None, 0.0, "push: no model in production yet and macro F1 0.900 reaches the floor 0.500"),
        (
            None,
            0.6,
            "refuse (below_floor): no maps of the model were judged, and gate_min_mean_iou is 0.6; train with a dense "
            "head, or set it to 0",
        ),
    ],
)
def test_maps_may_have_a_floor_too(tmp_path, mean_iou, floor, reason):
    dense = None if mean_iou is None else dense_of(mean_iou)
    decision = alone(tmp_path, 0.9, GateSettings(min_macro_f1=0.5, min_mean_iou=floor), dense=dense)
    assert decision.reason == reason
    assert (decision.mean_iou, decision.mean_iou_floor) == (mean_iou, floor)
    numbers = json.loads(numbers_line(decision).removeprefix(NUMBERS))
    assert numbers["mean_iou"] == mean_iou
    assert numbers["mean_iou_interval"] == (None if dense is None else list(dense.interval))


def test_the_decision_report_tells_the_mean_iou_and_its_floor(tmp_path):
    evaluation = evaluation_of(tmp_path / "data", sums_of(FIELDS, *answers((0.1,))))
    evaluation = msgspec.structs.replace(evaluation, dense=dense_of(0.55))
    settings = GateSettings(min_macro_f1=0.1, min_mean_iou=0.6)
    decision = decide_push(str(tmp_path / "data"), str(tmp_path / "models"), settings, evaluation)
    write_report(decision, evaluation, str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text().replace("<wbr>", "")
    assert "mean IoU of its maps</td><td>0.550" in page
    assert "floor (gate_min_mean_iou)</td><td>0.600" in page
    write_in_short(decision, evaluation, str(tmp_path / "short.md"))
    short = (tmp_path / "short.md").read_text()
    assert "mean IoU of its maps" in short
    assert "larger images, which give finer maps" in short
