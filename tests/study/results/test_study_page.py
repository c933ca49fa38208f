"""The page shows every claim with its verdict in both languages, and no number of what was not run."""

import re

import pytest
from page_widths import measured, needs_chromium
from simulated_study import MEASURED, NUM_ROUNDS, simulated_result
from study_findings import MACHINE, findings_of
from study_tables import CLAIMS

from components.study.results.forest_plot import _ticks
from components.study.results.page_data import page_data
from components.study.results.page_words import ENGLISH, SPANISH
from components.study.results.spanish_names import shown_name
from components.study.results.study_page import write_study_page
from components.study.results.study_result import make_result

WIDTHS = (400, 480, 1200)
RESULT = simulated_result()
DATA = page_data(RESULT, CLAIMS)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "study.html"
    write_study_page(RESULT, CLAIMS, path)
    return path.read_text()


def details_of(text, claim, words):
    """The part of the page that is about a claim, in one language."""
    section = text.split(f'<section id="{words.code}"')[1].split("</section>")[0]
    return next(part for part in re.findall(r"<details.*?</details>", section, re.DOTALL) if f">{claim}<" in part)


def test_all_kinds_of_verdicts_come_up_in_what_is_looked_at():
    assert {row.verdict.verdict for row in DATA.claims} == {"confirmed", "refuted", "undecided", "not run here"}
    assert sum(count for _, count in DATA.counts) == len(CLAIMS.claims)


@pytest.mark.parametrize("words", [ENGLISH, SPANISH], ids=["english", "spanish"])
def test_each_claim_is_there_in_both_languages_with_its_verdict(text, words):
    text = text.replace("<wbr>", "")
    for row in DATA.claims:
        part = details_of(text, row.claim.id, words)
        assert words.verdicts[row.verdict.verdict] in part
        if words is SPANISH:
            assert row.claim.claim.spanish in part
            assert row.claim.claim.english not in part


@pytest.mark.parametrize("words", [ENGLISH, SPANISH], ids=["english", "spanish"])
@pytest.mark.parametrize("claim", sorted(claim.id for claim in CLAIMS.claims if claim.id not in MEASURED))
def test_what_was_not_run_has_no_number_of_ours(text, words, claim):
    part = details_of(text.replace("<wbr>", ""), claim, words)
    cells = dict(re.findall(r"<tr><td>(.*?)</td><td[^>]*>(.*?)</td></tr>", part))

    assert ("no tiene GPU" if words is SPANISH else "has no GPU") in cells[words.reason]
    assert not {words.effect, words.interval, words.again, words.theirs} & set(cells)


def test_an_arm_that_was_not_run_says_so_instead_of_a_time(text):
    row = re.search(r"<tr><td>shards on a gpu</td>.*?</tr>", text)[0]

    assert "not run here" in row
    assert "this machine has no GPU" in row
    assert not re.search(r"\d", row)


def test_every_table_of_times_has_a_row_of_an_arm_against_itself():
    for table, rows in DATA.tables:
        assert [row.name for row in rows if not row.not_run] == [*table.arms, *([""] if table.has_again else [])]
        if table.has_again:
            again = next(row for row in rows if not row.name)
            assert again.interval[0] < 1 < again.interval[1]


@pytest.mark.parametrize(
    ("interval", "place"),
    [
        ((1.6, 1.8), "within"),
        ((1.67, 1.71), "within"),
        ((1.1, 1.2), "above"),
        ((2.0, 2.5), "below"),
        ((1.5, 1.7), "partly"),
    ],
)
def test_the_original_figures_are_placed_beside_our_interval(interval, place):
    low, high = interval
    rounds = [(low, 1.0), (high, 1.0)] * 10
    table = RESULT.tables[0]
    table = type(table)(
        name="t",
        factor="format",
        unit="s",
        num_planned=20,
        seed=1,
        arms=("a", "b"),
        has_again=True,
        rounds=tuple((*values, values[0] * ratio) for values, ratio in zip(rounds, (0.99, 1.01) * 10, strict=True)),
    )
    findings = findings_of({"tfrecord_faster_cpu": {"table": "t", "arms": ("a", "b")}})
    data = page_data(make_result(CLAIMS, "ci", MACHINE, [table], findings), CLAIMS)

    assert {row.claim.id: row.place for row in data.claims if row.place} == {"tfrecord_faster_cpu": place}


def test_a_study_of_which_nothing_was_run_has_a_page(tmp_path):
    result = make_result(CLAIMS, "ci", MACHINE, [], findings_of({}))
    write_study_page(result, CLAIMS, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()

    assert "Of 27 claims, 27 not run here." in text
    assert "No ratio of times was measured here." in text
    assert "<img" not in text


def test_equal_results_are_equal_bytes_and_nothing_is_run_or_loaded(tmp_path, text):
    write_study_page(simulated_result(), CLAIMS, tmp_path / "again.html")

    assert (tmp_path / "again.html").read_text() == text
    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert f"{NUM_ROUNDS} rounds of {NUM_ROUNDS}, in s" in text
    assert f"{NUM_ROUNDS} rondas de {NUM_ROUNDS}, en s" in text


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [
        (0.0, "0", "0"),
        (9.88e-05, "1e-04", "1e-04"),  # and not 0.000
        (-0.0721, "-0.072", "-0,072"),
        (1.0347, "1.035", "1,035"),
        (960163840.0, "960,163,840", "960.163.840"),
    ],
)
def test_a_number_is_written_so_that_it_says_something(value, english, spanish):
    assert (ENGLISH.number(value), SPANISH.number(value)) == (english, spanish)


@pytest.mark.parametrize(
    ("name", "spanish"),
    [
        ("0.005", "0,005"),
        ("delay 4", "retardo 4"),
        ("mobilenet_v2", "mobilenet_v2"),
        ("share", "proporción"),
        ("macro F1", "F1 macro"),
        ("tiles/s, h, USD", "teselas/s, h, USD"),
        ("same_pixels_waiting", "los mismos píxeles, espera"),
        ("num_workers", "número de procesos"),
    ],
)
def test_names_are_in_the_language_of_their_section(name, spanish):
    assert shown_name(name, "spanish") == spanish
    assert shown_name(name, "english") in (name, name.replace("_", " "))


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.2), (0.5, 2.2), (0.99, 1.01), (0.9, 70), (0.02, 500)])
def test_ticks_are_few_and_hold_1(low, high):
    ticks = _ticks(low, high)

    assert 1 in ticks
    assert len(ticks) <= 11
    assert all(low <= tick <= high for tick in ticks)


@needs_chromium
def test_nothing_is_wider_than_the_page(tmp_path, text):
    open_text = text.replace("<details>", "<details open>")

    results = measured({"closed": text, "open": open_text}, WIDTHS, tmp_path)

    assert {key: each["wide"] for key, each in results.items() if each["wide"]} == {}
    assert {key: each["broken"] for key, each in results.items() if each["broken"]} == {}
