"""What the documents point to is there."""

import re

import pytest
import yaml
from doc_pages import DOCUMENTS, PAGES, README, ROOT, load_generator, without_code

LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
MOST_LINES = 120
MOST_PICTURE_BYTES = 150_000


def named(path):
    return str(path.relative_to(ROOT))


def anchors(path):
    """Returns the anchors of a page's headings, as GitHub and the site make them."""
    text = path.read_text()
    if path in PAGES:
        text = load_generator().with_tables(text)
    headings = re.findall(r"^#{1,6} (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_link_within_the_repository_leads_somewhere(path):
    broken = []
    for match in LINK.finditer(without_code(path.read_text())):
        target, _, anchor = match["target"].partition("#")
        if ":" in target:
            continue
        place = (path.parent / target).resolve() if target else path
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(match["target"])

    assert broken == []


@pytest.mark.parametrize("path", [README, *PAGES], ids=named)
def test_every_file_of_the_repository_that_a_page_names_is_there(path):
    names = re.findall(
        r"`((?:components|pipeline|manifests|docker|requirements|\.github|\.ci)/[\w./-]*)`", path.read_text()
    )

    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_navigation_has_every_page():
    def pages(entries):
        for entry in entries:
            for value in [entry] if isinstance(entry, str) else entry.values():
                yield from [value] if isinstance(value, str) else pages(value)

    navigation = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    here = [str(page.relative_to(ROOT / "docs")) for page in PAGES]

    assert sorted(navigation) == sorted([*here, *load_generator().DOCUMENTS])


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= MOST_LINES


def test_pictures_are_small_and_shown():
    shown = {(page.parent / target).resolve() for page in PAGES for target in LINK.findall(page.read_text())}
    pictures = sorted((ROOT / "docs").rglob("*.png"))

    assert pictures
    assert [picture.name for picture in pictures if picture.stat().st_size > MOST_PICTURE_BYTES] == []
    assert [picture.name for picture in pictures if picture not in shown] == []
