"""Pages of blocks with what reports hold at most, laid out in Chromium: nothing is wider than its page."""

import numpy as np
from matplotlib.figure import Figure
from page_widths import measured, needs_chromium

from components.report import figure, folded, gallery, heat_table, legend, page, paragraph, side_by_side, table
from components.words import Number

WIDTHS = (400, 480, 1200)  # the frame of Kubeflow's page at 1440 pixels, a wider one, and a tab of its own
NAMES = ["nutrient_deficiency", "a" * 60, "double_plant", "storm damage", "weed_cluster"]


def heat_of(num_classes):
    names = [f"{NAMES[i % 5][:24]}{i}" for i in range(num_classes)]
    return heat_table(
        ("true", *names), [(name, [("12,345", 1.0), *[("12", 0.5)] * (num_classes - 1)]) for name in names]
    )


@needs_chromium
def test_no_block_is_wider_than_its_page(tmp_path):
    plot = Figure(figsize=(5, 3))
    plot.subplots().plot([0, 1])
    pixels = np.zeros((160, 160, 3), np.uint8)
    moments = "0.412 ± 0.123"
    blocks = [
        paragraph("gs://bucket/" + "folder/" * 40),
        table(
            ("class", "F1", "prec.", "recall", "AP", "images", "thresh."),
            [(name, *[Number("0.123")] * 4, 123_456, 0.5) for name in NAMES],
        ),
        table(("band", *["2017", "2018", "2019", "2020", "2021"]), [("red", *[moments] * 5)]),
        table(
            ("band", "earlier", "now", "in stds", "distance", "JS", "JS splits", "shift"),
            [("green", "0.412", "0.433", "+0.12", "0.034", "0.12", "0.11", "mean, deviation, histogram")],
        ),
        table(
            ("class", "train", "val", "test", "all", "train pixels"),
            [(NAMES[0], 55_123, 18_123, 9_123, 82_369, "12.3%")],
        ),
        *(heat_of(count) for count in (10, 47)),
        side_by_side(figure(plot, "b" * 90), legend([("#000000", name) for name in NAMES])),
        folded("a" * 80, "b" * 80, [gallery([(pixels, "c" * 80)] * 4)], is_open=True),
        gallery([(pixels, "RGB"), (pixels, "labels")], wide=True),
    ]

    results = measured({"blocks": page("d" * 80, blocks)}, WIDTHS, tmp_path)

    assert {key: each["wide"] for key, each in results.items()} == {("blocks", width): [] for width in WIDTHS}
