"""The GitHub workflows: what they run exists, and what they use and may do is fixed and little."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def load(path):
    document = yaml.safe_load(path.read_text())
    document["on"] = document.pop(True)  # YAML 1.1 reads the key "on" as true
    return document


def steps(document):
    return [step for job in document["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_uses_actions_by_commit_may_do_little_and_ends(path):
    document = load(path)

    assert document["concurrency"]
    assert set(document["permissions"].values() if document["permissions"] else ()) <= {"read"}
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 360  # GitHub's own limit
        assert set(job.get("permissions", {}).values()) <= {"read"}
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"])
    for step in steps(document):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), step
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"# v\d+\.\d+\.\d+$", line), f"{line}: which version is this commit?"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_there(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    for step in steps(load(path)):
        command = step.get("run", "")
        # Only the environment brings values in: text that anyone can write must not become part of a script.
        assert "${{" not in command
        for target in re.findall(r"\bmake ([a-z-]+)", command):
            assert target in targets
        for script in re.findall(r"^(\.ci/\w+)$", command, re.MULTILINE):
            assert (ROOT / script).exists()


def test_retraining_starts_by_schedule_by_hand_and_from_outside_one_at_a_time():
    document = load(ROOT / ".github/workflows/retrain.yml")

    assert set(document["on"]) == {"schedule", "workflow_dispatch", "repository_dispatch"}
    assert document["concurrency"]["cancel-in-progress"] is False


def run_step(folder, name, stand_ins, **environment):
    """Runs a step of retrain.yml in `folder` as GitHub does, with stand-ins for the commands that it calls."""
    (job,) = load(ROOT / ".github/workflows/retrain.yml")["jobs"].values()
    assert job["defaults"]["run"]["shell"] == "bash"
    (script,) = [step["run"] for step in job["steps"] if step.get("name", "").startswith(name)]
    for path, body in stand_ins.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f'#!/bin/bash\necho "$(basename $0) $*" >>{folder}/calls\n{body}\n')
        (folder / path).chmod(0o755)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": f"{folder}/bin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("code", "verdict", "passes"),
    [
        (0, "pushed", True),
        (3, "refused by the gate", True),  # a result, not an error
        (2, "bad settings", False),
        (124, "not done in time", False),
        (1, "failed", False),
        (143, "failed", False),
    ],
)
def test_retraining_ends_as_the_run_did_and_the_summary_says_how(tmp_path, code, verdict, passes):
    submit = f"cat parameters.yaml\necho step by step\nexit {code}"

    result = run_step(
        tmp_path,
        "Train",
        {".venv/bin/agrivision": submit},
        PARAMETERS="source_uri: gs://bucket/tiles\ntrain_num_workers: 4",
        GITHUB_RUN_ID="77",
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
        AGRIVISION_IMAGE="registry.example.com/python@sha256:0123",
    )

    assert (result.returncode == 0) is passes, result.stderr
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith(f"## Retraining: {verdict}")
    assert "train_num_workers: 4\nstep by step\n" in summary
    assert "registry.example.com/python@sha256:0123" in summary
    assert "--source-version 77" in (tmp_path / "calls").read_text()


def test_retraining_names_the_image_by_the_digest_that_the_registry_has(tmp_path):
    docker = 'case "$1" in inspect) echo registry.example.com/team/python@sha256:0123;; login) cat >token;; esac'

    result = run_step(
        tmp_path,
        "Build",
        {"bin/docker": docker, "bin/make": ""},
        REPOSITORY="registry.example.com/team/python",
        TARGET="gpu",
        REGISTRY_USER="someone",
        REGISTRY_TOKEN="secret",
        GITHUB_SHA="abc",
        GITHUB_ENV=str(tmp_path / "env"),
    )

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "env").read_text() == "AGRIVISION_IMAGE=registry.example.com/team/python@sha256:0123\n"
    assert (tmp_path / "token").read_text() == "secret\n"
    assert (tmp_path / "calls").read_text().splitlines()[:3] == [
        "docker login registry.example.com --username someone --password-stdin",
        "make image IMAGE=registry.example.com/team/python:abc-gpu TARGET=gpu",
        "docker push registry.example.com/team/python:abc-gpu",
    ]
    # In the end, whatever came between.
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "docker logout registry.example.com"


def test_a_failed_push_leaves_no_token_behind(tmp_path):
    docker = 'case "$1" in push) exit 1;; esac'

    result = run_step(
        tmp_path,
        "Build",
        {"bin/docker": docker, "bin/make": ""},
        REPOSITORY="registry.example.com/team/python",
        TARGET="cpu",
        REGISTRY_USER="someone",
        REGISTRY_TOKEN="secret",
        GITHUB_SHA="abc",
        GITHUB_ENV=str(tmp_path / "env"),
    )

    assert result.returncode == 1
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "docker logout registry.example.com"


def test_every_image_that_is_built_is_audited_and_so_is_every_lock():
    document = load(ROOT / ".github/workflows/audit.yml")
    targets = set(re.findall(r"^FROM runtime AS (\w+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE))

    assert set(document["jobs"]["images"]["strategy"]["matrix"]["target"]) == targets
    assert "schedule" in document["on"]
    assert "requirements/*.txt" in (ROOT / ".ci/audit").read_text()


def test_a_bot_looks_for_newer_versions_of_all_that_is_pinned():
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    places = {each["package-ecosystem"]: each["directory"] for each in updates}

    assert places == {"pip": "/requirements", "docker": "/docker/base", "github-actions": "/"}


AUDITOR = """
import os, pathlib, sys
with open(os.environ["CALLS"], "a") as calls:
    print(*sys.argv[1:], file=calls)
sys.exit("cpu.txt" in str(sys.argv))
"""


@pytest.mark.parametrize(
    ("is_reached", "ci", "code"),
    [
        (False, "", 0),
        (False, "true", 1),  # there it is to be reached
        (True, "", 1),  # what was found in one lock does not hide what is in the next
    ],
)
def test_an_audit_looks_into_every_lock_and_says_where_it_cannot(tmp_path, is_reached, ci, code):
    for name, body in (("pip-audit", AUDITOR), ("python", f"import sys; sys.exit({not is_reached})")):
        (tmp_path / name).write_text(f"#!{sys.executable}\n{body}")
        (tmp_path / name).chmod(0o755)

    result = subprocess.run(
        [ROOT / ".ci/audit", tmp_path / "pip-audit"],
        env={"PATH": "/usr/bin:/bin", "CI": ci, "CALLS": str(tmp_path / "calls")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == code, result.stderr
    assert ("the audit is skipped: https://api.osv.dev cannot be reached from here" in result.stderr) is not is_reached
    if is_reached:
        locks = re.findall(r"--requirement (\S+)", (tmp_path / "calls").read_text())
        assert locks == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "requirements").glob("*.txt"))
