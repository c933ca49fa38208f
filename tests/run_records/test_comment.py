"""The comment on a pull request: what it shows, and what nobody can put into it."""

import re

import msgspec
import pytest
from hostile_names import HOSTILE
from test_run_record_file import GATE, LATE

from components.contracts import RecordedOutcome, RunCost, StepRecord
from pipeline.run_records.comment import MARK, MOST_CHARACTERS, comment_of

URL = "http://localhost:8888/#/runs/details/run-1"
WHOLE = msgspec.structs.replace(
    LATE,
    gate=msgspec.structs.replace(GATE, class_differences={"drydown": (0.1, -0.02, 0.25)}),
    macro_f1=0.75,
    macro_f1_interval=(0.7, 0.8),
    steps={
        "merge": StepRecord(state="succeeded", seconds=30.4, pod_seconds=36.0, image="registry.example/a@sha256:01"),
        "train": StepRecord(state="succeeded", seconds=900.0, pod_seconds=900.0, worker_pod_seconds=2664.0),
    },
    links={"run": URL, "data report": "gs://b/data/datasets/x/report.html"},
)

GAIN = "+0.100 [+0.020, +0.200]"
# With a price that nobody has verified.
COST = RunCost(currency="USD", prices_of="2026-11-29", is_verified=False, cost=1.5)


def test_it_shows_difference_intervals_times_and_links():
    text = comment_of([msgspec.structs.replace(WHOLE, cost=COST)], ["run-2 (running)"])

    assert (
        text
        == f"""{MARK}

## Training runs

Still going: `run-2 (running)`.

**pushed**: `better by far`

- `run`: <{URL}>
- `data report`: `gs://b/data/datasets/x/report.html`

| class | F1 against production |
| --- | ---: |
| `drydown` | +0.100 [-0.020, +0.250] |

<details><summary>Steps</summary>

| step | state | time | pods | image |
| --- | ---: | ---: | ---: | ---: |
| `merge` | `succeeded` | 30 s | 36 s | `registry.example/a@sha256:01` |
| `train` | `succeeded` | 15 min | 15 min | `-` |

</details>

| run | ended | outcome | macro F1 | against production | time | pod hours | cost |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| [`run-1`]({URL}) | 2026-11-24 12:01:00 | pushed | 0.750 [0.700, 0.800] | {GAIN} | 16 min | 1.00 | 1.50 USD ? |
"""
    )


def test_what_is_unknown_is_a_dash():
    row = comment_of([msgspec.structs.replace(LATE, gate=None, steps={}, links={})], []).splitlines()[-1]

    assert row == "| `run-1` | 2026-11-24 12:01:00 | pushed | - | - | - | - | - |"


@pytest.mark.parametrize(("records", "said"), [([], "No run has ended yet."), ([WHOLE], "**pushed**")])
def test_without_runs_it_says_so(records, said):
    assert said in comment_of(records, [])


TRAPS = [
    "@everyone look",
    "closes #1",
    "<!-- agrivision: runs -->",
    "<img src=x onerror=alert(1)>",
    "[here](http://evil.example)",
    "http://evil.example",
    "` @everyone `",
    "a | b | c",
    "a\n\n# title",
    "```\n@everyone",
    "",
]


@pytest.mark.parametrize("text", [*TRAPS, *HOSTILE])
def test_no_text_from_outside_becomes_more_than_text(text):
    gate = msgspec.structs.replace(GATE, class_differences={text: (0.1, 0.0, 0.2)})
    record = msgspec.structs.replace(WHOLE, reason=text, gate=gate, links={text or "x": text, "run": text})

    comment = comment_of([record], [text])

    # All that is left without what stands in the type of code.
    bare = re.sub(r"`[^`\n]*`", "", comment.removeprefix(MARK))
    assert set(re.findall(r"<[^>]*>", bare)) <= {
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
        "<http://evil.example>",
    }
    assert "@" not in bare
    assert "#1" not in bare
    # Every row of a table has as many columns as its head.
    for rows in re.findall(r"(?:^\|.*\n)+", comment, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1


def test_it_is_never_longer_than_github_takes():
    long = "x" * 2_000
    many = {f"{number}{long}": (0.1, 0.0, 0.2) for number in range(500)}
    record = msgspec.structs.replace(
        WHOLE,
        reason=long,
        gate=msgspec.structs.replace(GATE, class_differences=many),
        steps={name: StepRecord(state=long, image=long) for name in many},
        links=dict.fromkeys(many, long),
    )

    text = comment_of([record] * 20, [long] * 500)

    assert MARK in text
    assert len(text) < MOST_CHARACTERS
    assert "| run | ended |" in text


def test_a_run_whose_outcome_is_unknown_is_marked():
    assert "| ? |" in comment_of([msgspec.structs.replace(LATE, outcome=RecordedOutcome.UNKNOWN)], [])
