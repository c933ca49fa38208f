"""A heat map shows every number, and a dash for what was not run."""

import msgspec
import pytest

from components.contracts.study import Matrix, Words
from components.study.results.heat_map import draw_heat_map
from components.study.results.page_words import ENGLISH, SPANISH

WORDS = Words(english="delay", spanish="retardo")
MATRIX = Matrix(
    name="m",
    title=WORDS,
    unit="macro F1",
    row_title=WORDS,
    column_title=WORDS,
    rows=("0", "4"),
    columns=("0.01", "0.1"),
    values=((0.5, 0.25), (None, 0.125)),
)


@pytest.mark.parametrize(
    ("words", "texts", "label"),
    [(ENGLISH, ["0.5", "0.25", "–", "0.125"], "delay"), (SPANISH, ["0,5", "0,25", "–", "0,125"], "retardo")],
)
def test_each_cell_has_its_number_in_the_language_of_the_page(words, texts, label):
    axes = draw_heat_map(MATRIX, words).axes[0]

    assert [text.get_text() for text in axes.texts] == texts
    assert axes.get_xlabel() == label


def test_a_map_in_which_nothing_was_run_is_all_dashes():
    nothing = msgspec.structs.replace(MATRIX, values=((None, None),) * 2)

    assert {text.get_text() for text in draw_heat_map(nothing, ENGLISH).axes[0].texts} == {"–"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (((0.5,), (0.5,)), "matrix m must have 2 rows of 2 numbers"),
        (((0.5, float("inf")), (0.5, 0.5)), "matrix m must have finite numbers"),
    ],
)
def test_a_matrix_that_is_not_whole_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        msgspec.structs.replace(MATRIX, values=values).__post_init__()
