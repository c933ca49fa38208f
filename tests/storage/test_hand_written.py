"""YAML and JSON that a person wrote: what it says is taken, and what only seems to say something is refused."""

import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from components.storage.hand_written import parse_hand_written, read_hand_written

BOMB = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in itertools.pairwise("abcdefgh"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        ("rate: 1e-4", {"rate": 1e-4}),  # PyYAML alone takes it for text
        ("rate: [1E5, +2e0, -3e+2, 1.5e3]", {"rate": [1e5, 2.0, -300.0, 1500.0]}),
        ('rate: "1e-4"', {"rate": "1e-4"}),
        ("day: 1e", {"day": "1e"}),
        ('{\n\t"a": [1, 2],\n\t"b": true\n}', {"a": [1, 2], "b": True}),
        ("a: 1  # a remark", {"a": 1}),
        ("ä: ü", {"ä": "ü"}),
    ],
)
def test_what_a_person_wrote_is_taken_as_it_is_meant(text: str, said: Any) -> None:
    assert parse_hand_written(text.encode()) == said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BOMB, r"^it has aliases \(\*name\); write them out$"),
        ("a: 1\na: 2", "^it has 'a' more than once; keep one of them$"),
        ("a: [{b: 1, b: 2}]", "^it has 'b' more than once"),
        ('{"a": 1, "a": 2}', "^it has 'a' more than once"),
        ("? [a]\n: 1", "^it has a list or an object as a key"),
        ("a: .nan", r"^\.nan is no amount$"),
        ("a: [1e400]", "^1e400 is no amount$"),
        ("a: -.inf", r"^-\.inf is no amount$"),
        ("[" * 40 + "]" * 40, "^it has lists or objects more than 32 deep in each other$"),
        ("[" * 100_000, "^it has lists or objects more than 32 deep in each other$"),
        ("a: [", "^while parsing"),
        ("a: 2026-13-45", "month must be in 1..12"),
        (f"a: {'9' * 5000}", "Exceeds the limit"),
        ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        (b"\xff\xfe", "^'utf-8' codec can't decode"),
        ("\x00", "special characters are not allowed"),
        ("#" * 300_000, "^it has more than 262,144 bytes$"),
    ],
)
def test_what_says_nothing_or_two_things_is_refused_in_one_line(text: str | bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refused:
        parse_hand_written(text if isinstance(text, bytes) else text.encode())
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= 300


def test_a_pipe_may_hold_it_and_no_more_is_read_than_is_needed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=("a: 1",), daemon=True).start()

    assert read_hand_written(str(pipe)) == b"a: 1"
    assert len(read_hand_written("/dev/zero")) == 262_145
