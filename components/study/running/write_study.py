"""Writes what people and programs read of a study: its document and its page."""

from pathlib import Path

from components.contracts.study import StudyResult
from components.storage import disk
from components.study.claims.claims_file import Claims
from components.study.results.study_page import write_study_page
from components.study.results.study_result import write_result

RESULT_FILE, PAGE_FILE = "study.json", "study.html"


def write_study(result: StudyResult, claims: Claims, folder: Path) -> tuple[Path, Path]:
    """Writes the document and the page, each whole or not at all; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    document, page = folder / RESULT_FILE, folder / PAGE_FILE
    write_result(result, str(document))
    with disk.temporary_file(str(page)) as unfinished:
        write_study_page(result, claims, unfinished)
    return document, page
