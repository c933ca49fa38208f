"""Lines and matrices of a result are on the page in both languages, and what was not run has no number there."""

import itertools
import re

import msgspec
import pytest
from page_widths import measured, needs_chromium
from study_findings import MACHINE, findings_of
from study_tables import CLAIMS

from components.contracts.study import Curve, Matrix, Words
from components.study.results.page_words import ENGLISH, SPANISH
from components.study.results.spanish_names import has_spanish, shown_name
from components.study.results.study_figures import draw_curves, figure_blocks
from components.study.results.study_page import write_study_page
from components.study.results.study_result import make_result


def words(text):
    return Words(english=text, spanish=f"{text} (es)")


def curve(name, y, low=(), high=()):
    return Curve(
        name=name,
        figure="scale",
        title=words("By workers"),
        x_title=words("workers"),
        y_title=words("time, s"),
        x=(1.0, 2.0, 4.0),
        y=y,
        low=low,
        high=high,
    )


LINES = (curve("measured", (8.0, 4.5, 4.25)), curve("simulated", (8.0, 4.25, 4.5), (7.0, 4.0, 4.0), (9.0, 5.0, 5.0)))
MATRIX = Matrix(
    name="delay",
    title=words("Loss by delay and rate"),
    unit="loss",
    row_title=words("delay"),
    column_title=words("rate"),
    rows=("0", "8"),
    columns=("0.001", "0.01", "0.1"),
    values=((0.5, 0.25, 0.75), (0.625, None, 1.5)),
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    result = make_result(CLAIMS, "ci", MACHINE, [], findings_of({}), [MATRIX], LINES)
    path = tmp_path_factory.mktemp("page") / "study.html"
    write_study_page(result, CLAIMS, path)
    return path.read_text()


@pytest.mark.parametrize("language", [ENGLISH, SPANISH], ids=["english", "spanish"])
def test_lines_and_matrices_are_there_in_both_languages(text, language):
    section = text.split(f'<section id="{language.code}"')[1].split("</section>")[0].replace("<wbr>", "")

    assert language.figures in section
    assert len(re.findall("<img", section)) == 1  # all lines of one figure
    for title in ("By workers", "Loss by delay and rate"):
        assert f"{title} (es)" in section if language is SPANISH else f"{title} (es)" not in section
    assert ("4,25" if language is SPANISH else "4.25") in section
    cells = re.findall(r'<td style="background[^"]*">([^<]*)</td>', section)
    assert [cell.replace(",", ".") for cell in cells] == ["0.500", "0.250", "0.750", "0.625", "–", "1.500"]


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [(0.0, "0", "0"), (1.25e-7, "1e-07", "1e-07"), (0.25, "0.250", "0,250"), (125802.75, "125,803", "125.803")],
)
def test_numbers_of_a_matrix_say_something_in_few_characters(value, english, spanish):
    matrix = msgspec.structs.replace(MATRIX, rows=("0",), columns=("0.1",), values=((value,),))

    for words, expected in ((ENGLISH, english), (SPANISH, spanish)):
        assert f">{expected}</td>" in "".join(figure_blocks([], [matrix], words))


def test_numbers_of_several_units_are_not_shaded():
    shades = [
        re.findall(r"background:(rgb[^;]*)", "".join(figure_blocks([], [matrix], ENGLISH)))
        for matrix in (MATRIX, msgspec.structs.replace(MATRIX, has_one_unit=False))
    ]

    assert len({*shades[0]}) > 3
    assert {*shades[1]} == {"rgb(255,255,255)"}


@pytest.mark.parametrize(
    ("name", "english", "spanish"),
    [
        ("delay 8", "delay 8", "retardo 8"),
        ("averaged of 4", "averaged of 4", "promedio de 4"),
        ("one_file", "one file", "un archivo"),
        ("rgb_nir, augmentation on", "rgb nir, augmentation on", "rgb nir, con aumento de datos"),
        ("0.005", "0.005", "0,005"),
        ("mobilenet_v2", "mobilenet_v2", "mobilenet_v2"),
        ("", "", ""),
    ],
)
def test_names_are_shown_in_the_page_s_language(name, english, spanish):
    assert (shown_name(name, "english"), shown_name(name, "spanish")) == (english, spanish)
    assert has_spanish(name) == (spanish != english or name == "0.005")


def test_a_line_with_a_band_has_it_in_the_figure():
    axes = draw_curves(LINES, ENGLISH).axes[0]

    assert len(axes.lines) == 2
    assert len(axes.collections) == 1
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "4"]


def test_a_result_without_figures_has_no_heading_for_them(tmp_path):
    write_study_page(make_result(CLAIMS, "ci", MACHINE, [], findings_of({})), CLAIMS, tmp_path / "page.html")

    assert ENGLISH.figures not in (tmp_path / "page.html").read_text()


@needs_chromium
def test_figures_are_not_wider_than_the_page(tmp_path, text):
    results = measured({"page": text}, (400, 480, 1200), tmp_path)

    assert {key: each["wide"] for key, each in results.items() if each["wide"]} == {}
    assert {key: each["broken"] for key, each in results.items() if each["broken"]} == {}


@pytest.mark.parametrize(
    ("places", "shown"),
    [
        ((1.0, 2.0, 4.0), ["1", "2", "4"]),
        ((201.327, 402.653, 805.306, 1610.613, 3221.225), ["402.7", "805.3", "1611", "3221"]),
        ((256.0,), ["256"]),
    ],
)
def test_labels_of_an_axis_are_short_and_do_not_run_into_each_other(places, shown):
    line = msgspec.structs.replace(LINES[0], x=places, y=places)
    plot = draw_curves([line], ENGLISH)
    plot.canvas.draw()
    labels = plot.axes[0].get_xticklabels()
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)

    assert sorted((label.get_text() for label in labels), key=float) == shown
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
