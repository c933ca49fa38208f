"""Text from data cannot steer what shows it: terminals, logs, pages."""

import sys
import unicodedata

import pytest

from components.printable import printable

pytestmark = pytest.mark.hostile


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),  # clears the screen
        ("\x9b31mred", r"\x9b31mred"),  # the same escape in one character
        ("a\nshard 1 | done in 1.0 s", r"a\nshard 1 | done in 1.0 s"),
        ("a\rb\tc\x00d\x7f", r"a\rb\tc\x00d\x7f"),
        ("corn\u202egpj.exe", r"corn\u202egpj.exe"),  # shown from right to left
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),  # lines, for some
        ("co\u200brn\ufeff", r"co\u200brn\ufeff"),  # invisible
        ("\U000e0041", r"\U000e0041"),
        ("caf\udce9", r"caf\udce9"),  # a file name that is not UTF-8; printing it would fail
        ("\ue000\u0378", r"\ue000\u0378"),  # means nothing to anybody
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "weed_cluster",
        "Ackerbohne, Rüben & Mais",
        "玉米 とうもろこし 옥수수",
        "قمح שעורה गेहूँ ข้าวโพด",
        "نمی\u200cخواهم क्\u200dष",  # joiners, which these scripts need
        "e\u0301",  # a letter of two characters
        "0.5\u00a0±\u00a00.1 …→✓ 🌽",
        r"C:\tiles [red]soy co$\frac{rn$ <b>",
    ],
)
def test_letters_of_any_script_and_our_own_signs_stay(text):
    assert printable(text) == text


def test_of_all_characters_none_that_is_left_can_steer_a_terminal():
    left = printable("".join(map(chr, range(sys.maxunicode + 1))))
    assert {unicodedata.category(each) for each in left} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == {"Cf"}
    assert {each for each in left if unicodedata.category(each) == "Cf"} == {"\u200c", "\u200d"}
