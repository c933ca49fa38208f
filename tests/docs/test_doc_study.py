"""The committed result of the study is of today's claims, and its page and table say what it says."""

import re
import statistics
from pathlib import Path

import pytest

from components.contracts.study import StudyResult
from components.study.claims.claims_file import read_claims
from components.study.results.spanish_names import has_spanish
from components.study.results.study_page import write_study_page
from components.study.results.study_result import read_study_result

DOCS = Path(__file__).parents[2] / "docs"
HERE = DOCS / "study"
PICTURE = re.compile(r'src="data:image/[^"]*"')
# The same in both languages: networks, formats, and what is a number with a unit.
PROPER = re.compile(r"(alexnet|vgg|small|mobilenet|resnet|efficientnet|convnext|nasnet)[a-z0-9_]*|jpeg|USD|s|B")
_FORMATS = (
    "tfrecord_faster_cpu",
    "tfrecord_faster_with_strategy",
    "binary_format_is_why",
    "partitioned_tfrecord_better",
    "compressed_images_pay",
    "conversion_pays",
)


@pytest.fixture(scope="module")
def result() -> StudyResult:
    return read_study_result(HERE / "laptop.json", read_claims())


def test_every_claim_has_a_verdict_with_numbers_or_says_why_it_was_not_run_here(result: StudyResult) -> None:
    for verdict, finding in zip(result.verdicts, result.findings, strict=True):
        assert verdict.claim == finding.claim
        measured = verdict.estimate is not None or bool(finding.checks) or bool(finding.values)
        assert measured != (finding.not_run is not None), verdict.claim
        if finding.not_run is not None:
            assert "not among those that were run" not in finding.not_run.english


def test_the_page_is_that_of_the_result(result: StudyResult, tmp_path: Path) -> None:
    """Its pictures are compared by their number alone, because another version of the plotter draws others."""
    write_study_page(result, read_claims(), tmp_path / "page.html")
    made, committed = (PICTURE.sub("", path.read_text()) for path in (tmp_path / "page.html", HERE / "laptop.html"))

    assert made == committed


def test_names_in_figures_and_tables_have_a_spanish_form(result: StudyResult) -> None:
    names = {name for matrix in result.matrices for name in (*matrix.rows, *matrix.columns)}
    names |= {curve.name for curve in result.curves} | {arm for table in result.tables for arm in table.arms}
    names |= {name for table in result.tables for name in (table.name, table.factor, table.unit)}
    names |= {matrix.unit for matrix in result.matrices}

    assert sorted(name for name in names if not has_spanish(name) and not PROPER.fullmatch(name)) == []


def test_the_figures_of_the_text_are_those_of_the_result(result: StudyResult) -> None:
    """Its words are written by hand; a new result may need others, and surely other figures."""
    text = " ".join((DOCS / "study-results.md").read_text().split())
    found = {verdict.claim: verdict.estimate for verdict in result.verdicts}
    waiting = [
        statistics.median(shares)
        for table in result.tables
        if table.name in ("as_the_original_waiting", "same_pixels_waiting")
        for shares in zip(*table.rounds, strict=True)
    ]
    prices = [cells[-1] for cells in _rows(result, "price_at_measured_speed").values()]
    one, two, four = _rows(result, "simulated_by_measured")["simulated / measured"]
    formats = [verdict.verdict for verdict in result.verdicts if verdict.claim in _FORMATS]
    worse = next(verdict.interval for verdict in result.verdicts if verdict.claim == "larger_batches_worse")
    averaged, late = (
        [values[1] for values in table.rounds]
        for name in ("averaging", "delay")
        for table in result.tables
        if table.name == name
    )
    ahead = sum(one > other for one, other in zip(averaged, late, strict=True))

    for said in (
        f"arms wait for {100 * min(waiting):.0f} to {100 * max(waiting):.0f} % of an epoch",
        f"Batches of 64 take {100 / found['larger_batches_faster']:.0f} % of the time of batches of 8",
        f"{formats.count('refuted')} of {len(formats)} comparisons show that it does not, and the others are undecided",
        f"is undecided: by {worse[0]:.2f} to {worse[1]:.2f} of macro F1" if worse else "",
        f"the average was ahead for {ahead} of {len(late)} seeds",
        f"seen at 128 px, took {found['more_workers_faster']:.2f} times as long with one",
        f"of 32 px {found['averaged_sgd_faster']:.2f} times as long",
        f"by {found['augmentation_helps_test']:.2f} of macro F1",
        f"simulated / measured is {one:.2f} for one worker, {two:.2f} for two and {four:.2f} for four",
    ):
        assert said in text
    assert "cost less than 10 USD" in text
    assert max(price for price in prices if price is not None) < 10
    assert {*formats} <= {"refuted", "undecided"}  # "no format was shown to make an epoch 5 % faster"


def _rows(result: StudyResult, name: str) -> dict[str, tuple[float | None, ...]]:
    matrix = next(each for each in result.matrices if each.name == name)
    return dict(zip(matrix.rows, matrix.values, strict=True))
