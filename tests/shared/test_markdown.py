"""Text that comes from data is shown as it is, whatever reads the Markdown."""

import re

import pytest
from markdown_it import MarkdownIt

from components.markdown import code, plain

TEXTS = [
    "double_plant",
    "*bold* _soft_ `code` ~~gone~~",
    "[here](https://evil.example) ![](x.png)",
    "&lt;b&gt; &amp; &#42;x&#42; &copy;",
    "R&D",
    "# 1 > 2 | 3",
    r"a \ b \\ c \* d",
    "see https://evil.example, HTTP://evil.example or WWW.evil.example",
    "mailto:a@evil.example",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_shown_as_it_is(text):
    shown = MarkdownIt("commonmark").parse(f"Says: {plain(text)}")[1]

    assert "".join(child.content for child in shown.children) == f"Says: {text}"
    assert {child.type for child in shown.children} <= {"text", "text_special"}


@pytest.mark.parametrize("text", TEXTS)
def test_no_page_turns_a_text_into_a_link(text):
    # What GitHub and the Hugging Face Hub make a link of, without any brackets.
    assert not re.search(r"https?://|www\.", plain(text), re.IGNORECASE)


def test_code_keeps_what_it_is_given_but_for_its_own_end():
    assert [code(text) for text in ("a&lt;b", "a`b", " ")] == ["`a&lt;b`", "`a'b`", "none"]
