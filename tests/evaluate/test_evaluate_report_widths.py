"""The report of an evaluation, laid out in Chromium: nothing is wider than its page, whatever the names."""

import pytest
from page_widths import measured, needs_chromium
from simulated_findings import MappingModel, class_names, simulated

from components.evaluate.report.page import write_report

WIDTHS = (400, 447, 480, 1200)  # frames of Kubeflow's page, and a tab of its own


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize(
    ("num_classes", "names"),
    [
        (9, class_names(9)),
        (9, tuple("a very long name of a pattern " * 3 + str(number) for number in range(9))),
        (9, tuple("unbroken" * 10 + str(number) for number in range(9))),
        (9, ("nutrient_deficiency_of_the_second_kind", "double_plant_after_planter_skip", "WaterStanding", *"abcdef")),
        (40, class_names(40)),
    ],
)
def test_no_part_of_the_report_is_wider_than_its_page_and_no_word_is_broken(num_classes, names, tmp_path):
    found = simulated(tmp_path, num_classes, names=names)
    write_report(found, str(tmp_path), MappingModel(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text().replace("<details>", "<details open>")

    results = measured({"evaluation": page}, WIDTHS, tmp_path)

    assert {key: each["wide"] for key, each in results.items()} == {("evaluation", width): [] for width in WIDTHS}
    if max(map(len, names)) <= 40:  # longer ones leave no room for the words beside them
        assert [each["broken"] for each in results.values()] == [[]] * len(WIDTHS)
