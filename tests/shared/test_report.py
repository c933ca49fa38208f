import base64
import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from components import report
from components.report import (
    bars,
    figure,
    folded,
    heading,
    heat_table,
    image,
    legend,
    page,
    paragraph,
    subheading,
    table,
    write_page,
)


def test_text_from_the_data_cannot_become_markup():
    text = page("<b>", [heading("<i>"), paragraph("a & b"), table(["<th>"], [["<script>"]])])

    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<title>&lt;b&gt;</title>" in text
    assert "a &amp; b" in text


@pytest.mark.hostile
def test_text_from_the_data_cannot_reverse_or_break_what_stands_around_it(tmp_path):
    name = "co\u202ern\x1b[2J\udce9<b>"
    shown = r"co\u202ern\x1b[2J\udce9&lt;b&gt;"
    blocks = [
        heading(name),
        subheading(name, name),
        paragraph(name),
        table([name], [[name]]),
        heat_table([name, name], [(name, [(name, 0.5)])]),
        legend([("#000000", name)]),
        image(np.zeros((4, 4), np.uint8), name),
    ]
    write_page(tmp_path / "page.html", name, blocks)

    text = (tmp_path / "page.html").read_text()
    assert text.count(shown) == 2 + 1 + 2 + 1 + 2 + 4 + 1 + 2
    assert re.findall("\u202e|\x1b|<b>", text) == []


@pytest.mark.hostile
def test_a_name_in_a_figure_is_never_taken_for_mathematics(recwarn):
    names = ["co$\\frac{rn$", "$x^2$", "a_b", "\\$"]

    def draw(names):
        plot = Figure(figsize=(3, 2), layout="constrained")
        axes = plot.subplots()
        axes.barh(range(len(names)), range(len(names)), label=names[0])
        axes.set_yticks(range(len(names)), names)
        axes.text(0, 0, names[0])
        axes.set_title(names[1])
        axes.legend()
        return figure(plot, "bars")

    assert draw(names) == draw(names)
    assert draw(["\x1b\u202e\n"] * 4) == draw([r"\x1b\u202e\n"] * 4)
    assert draw(["$x$"] * 4) != draw(["x"] * 4)
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wheat 3", "wheat 3"),
        ("土壤 3", "土壤 3"),
        ("قمح", "<bdi>قمح</bdi>"),
        ("3 : 1, قمح_2 to ذرة صفراء.", "3 : 1, <bdi>قمح_2</bdi> to <bdi>ذرة صفراء</bdi>."),
        ("<b>חיטה</b>", "&lt;b&gt;<bdi>חיטה</bdi>&lt;/b&gt;"),
    ],
)
def test_what_runs_from_right_to_left_does_not_swap_what_stands_beside_it(text, expected):
    assert report.inline(text) == expected
    assert f"<p>{expected}</p>" == paragraph(text)


def test_bars_are_as_long_as_their_counts():
    page = bars([("a<b", [3, 1]), ("c", [0, 8])], ["#111111", "#222222"])
    assert re.findall(r"width:([\d.]+)%", page) == ["37.50", "12.50", "0.00", "100.00"]
    assert re.findall(r"<th>(.*?)</th>", page) == ["a&lt;b", "c"]
    assert re.findall(r"<td>(\d+)</td>", page) == ["4", "8"]
    assert bars([("none", [0])], ["#111111"])  # divides by nothing


def test_folded_blocks_open_and_close_without_a_script():
    assert folded("a<b", "2 tiles", ["<p>x</p>"]).startswith("<details><summary>a&lt;b <small>2 tiles")
    assert folded("a", "", [], is_open=True).startswith("<details open>")


def test_a_page_needs_nothing_from_outside():
    plot = Figure(figsize=(3, 2))
    plot.subplots().plot([0, 1], [1, 0])
    text = page("report", [figure(plot, "a line"), image(np.zeros((4, 4), np.uint8), "black")])

    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(links) == 2
    assert all(link.startswith("data:image/") for link in links)


def test_pixels_are_shown_as_they_are():
    pixels = np.full((8, 8, 3), (200, 100, 50), np.uint8)

    data = re.search(r"base64,([^\"]+)", image(pixels, "orange", quality=100))[1]

    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    assert np.abs(shown - pixels).max() <= 3


def test_numbers_read_as_numbers():
    assert "<td>1,234</td><td>0.500</td>" in table(["name", "count", "share"], [["a", 1234, 0.5]])


def test_equal_figures_are_equal_bytes():
    def draw():
        plot = Figure(figsize=(3, 2))
        plot.subplots().bar(["a", "b"], [1, 2])
        return figure(plot, "bars")

    assert draw() == draw()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nutrient_deficiency", "nutrient_<wbr>deficiency"),
        ("_a__b_", "_a__b_"),  # no words
        ("a_b_c", "a_<wbr>b_<wbr>c"),
        ("corn_2019_late", "corn_2019_<wbr>late"),
        ("FIELD_0-0-512-512", "FIELD_0-0-512-512"),
        ("WaterStanding", "Water<wbr>Standing"),
        ("mAP NaN F1", "mAP NaN F1"),
        ("storm-damage", "storm-damage"),  # which a browser breaks by itself
        ("<b>_&_x", "&lt;b&gt;_&amp;_x"),
    ],
)
def test_a_name_of_several_words_may_break_between_them(name, expected):
    assert report.inline(name) == expected
    assert f"<td>{expected}</td>" in report.table(("class", "F1"), [(name, 0.5)])
