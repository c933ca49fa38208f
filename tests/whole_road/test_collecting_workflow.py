"""collect.yml: what it hands from the job that may ask the cloud to the job that may write a comment."""

import json
import shutil

import pytest
from test_workflows import run_step

from pipeline.run_records.comment import MARK

COMMIT = "0123456789abcdef0123456789abcdef01234567"
COMMENTS = [
    {"id": 1, "user": {"login": "somebody"}, "body": f"{MARK} I made this one"},
    {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "of another workflow"},
    {"id": 3, "user": {"login": "github-actions[bot]"}, "body": f"{MARK}\n\n## Training runs"},
]
# Answers as the real one does, with jq; what it was told is in `calls`.
GH = """
for last in "$@"; do :; done
case "$*" in
  *"/pulls --jq"*) echo '[{"number": 17}]' | jq -r "$last";;
  *"--paginate"*) jq -r "$last" comments.json;;
esac
"""


def collect(folder, code=0, *records):
    lines = "\n".join(json.dumps(each) for each in records)
    agrivision = f"echo the comment >told/comment.md\ncat <<'END'\n{lines}\nEND\nexit {code}"
    git = f'[[ "$*" == *0123456789ab^* ]] && echo {COMMIT}'
    stand_ins = {".venv/bin/agrivision": agrivision, "bin/git": git}
    return run_step(folder, "Collect", stand_ins, "collect", "collect", DATA_ROOT="gs://b/data")


@pytest.mark.parametrize(
    ("records", "commit"),
    [
        ([{"commit": ""}, {"commit": "0123456789ab"}, {"commit": "ffffffffffff"}], COMMIT),  # the newest that has one
        ([{"commit": "ffffffffffff"}], ""),  # of another repository
        ([{"commit": "$(touch owned)"}], None),
        ([], None),
    ],
)
def test_the_newest_commit_that_this_repository_has_is_handed_on(tmp_path, records, commit):
    result = collect(tmp_path, 0, *records)

    assert result.returncode == 0, result.stderr
    handed = tmp_path / "told/commit"
    assert (handed.read_text().strip() if handed.exists() else None) == commit
    assert not (tmp_path / "owned").exists()
    options = "--data-root gs://b/data --markdown told/comment.md --reports told/reports --json"
    assert f"agrivision collect {options}\n" in (tmp_path / "calls").read_text()


@pytest.mark.parametrize(("code", "passes"), [(0, True), (75, True), (2, False), (42, False), (1, False)])
def test_what_did_not_answer_is_left_to_the_next_hour(tmp_path, code, passes):
    result = collect(tmp_path, code)

    assert (result.returncode == 0) is passes
    assert ("::warning::" in result.stdout) is (code == 75)


def comment(folder, comments, commit=COMMIT):
    (folder / "told").mkdir()
    (folder / "told/comment.md").write_text(f"{MARK}\n\n## Training runs\n")
    (folder / "told/commit").write_text(commit)
    (folder / "comments.json").write_text(json.dumps(comments))
    return run_step(
        folder,
        "Comment",
        {"bin/gh": GH},
        "collect",
        "comment",
        GITHUB_REPOSITORY="owner/name",
        COLLECTED="https://github.com/owner/name/actions/runs/1",
        GITHUB_STEP_SUMMARY=str(folder / "summary.md"),
    )


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq, which GitHub's runners have")
@pytest.mark.parametrize(
    ("comments", "sent"),
    [
        (COMMENTS, "api --method PATCH repos/owner/name/issues/comments/3 "),
        (COMMENTS[:2], "api --method POST repos/owner/name/issues/17/comments "),
        ([*COMMENTS, COMMENTS[2] | {"id": 4}], "api --method PATCH repos/owner/name/issues/comments/3 "),
    ],
)
def test_there_is_one_comment_which_is_replaced_and_nobody_elses_is(tmp_path, comments, sent):
    result = comment(tmp_path, comments)

    assert result.returncode == 0, result.stderr
    calls = (tmp_path / "calls").read_text()
    assert calls.splitlines()[-1] == f"gh {sent}-F body=@told/comment.md --silent"
    assert f"repos/owner/name/commits/{COMMIT}/pulls" in calls
    assert (tmp_path / "told/comment.md").read_text().startswith(f"{MARK}\n")
    assert "are attached to [this job](https://" in (tmp_path / "summary.md").read_text()


def test_without_a_pull_request_the_summary_has_it(tmp_path):
    result = comment(tmp_path, [], commit="")

    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "calls").exists()
    assert "## Training runs" in (tmp_path / "summary.md").read_text()
