"""The committed result of the study is of today's claims, and its page and table say what it says."""

import re
from pathlib import Path

import pytest

from components.contracts.study import StudyResult
from components.study.claims.claims_file import read_claims
from components.study.results.spanish_names import has_spanish
from components.study.results.study_page import write_study_page
from components.study.results.study_result import read_study_result

HERE = Path(__file__).parents[2] / "docs" / "study"
PICTURE = re.compile(r'src="data:image/[^"]*"')
# The same in both languages: networks, formats, and what is a number with a unit.
PROPER = re.compile(r"(alexnet|vgg|small|mobilenet|resnet|efficientnet|convnext|nasnet)[a-z0-9_]*|jpeg|USD")


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

    assert sorted(name for name in names if not has_spanish(name) and not PROPER.fullmatch(name)) == []
