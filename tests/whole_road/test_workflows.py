"""The GitHub workflows: what they run exists, and what they use and may do is fixed and little."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# All that a job may do beyond reading, by workflow and job. None has a right to write in the repository.
RIGHTS = {
    ("retrain.yml", "retrain"): {"id-token"},
    ("collect.yml", "collect"): {"id-token"},
    ("collect.yml", "comment"): {"pull-requests"},
}
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
    for name, job in document["jobs"].items():
        assert job["timeout-minutes"] <= 360  # GitHub's own limit
        rights = job.get("permissions", {})
        assert {right for right, level in rights.items() if level != "read"} == RIGHTS.get((path.name, name), set())
        assert set(rights.values()) <= {"read", "write"}
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


def test_each_right_to_write_is_with_one_job_of_a_workflow_and_every_such_job_exists():
    """Who may prove to the cloud who it is may write no comment, and the other way round."""
    jobs = {(path.name, name) for path in WORKFLOWS for name in load(path)["jobs"]}

    assert set(RIGHTS) <= jobs
    for rights in RIGHTS.values():
        assert len(rights) == 1
    for right in ("id-token", "pull-requests"):
        workflows = [workflow for (workflow, _), rights in RIGHTS.items() if right in rights]
        assert len(workflows) == len(set(workflows))


def test_no_workflow_has_a_secret_that_lasts_but_what_signs_the_webhook():
    found = {(path.name, secret) for path in WORKFLOWS for secret in re.findall(r"\bsecrets\.(\w+)", path.read_text())}

    assert found == {("collect.yml", "AGRIVISION_WEBHOOK_SECRET")}


def test_retraining_starts_by_schedule_by_hand_and_from_outside_one_at_a_time():
    document = load(ROOT / ".github/workflows/retrain.yml")

    assert set(document["on"]) == {"schedule", "workflow_dispatch", "repository_dispatch"}
    assert document["concurrency"]["cancel-in-progress"] is False


def run_step(folder, name, stand_ins, workflow="retrain", job="retrain", **environment):
    """Runs a step of a workflow in `folder` as GitHub does, with stand-ins for the commands that it calls."""
    job = load(ROOT / f".github/workflows/{workflow}.yml")["jobs"][job]
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
        (0, "done: a run was started, or there is no reason for one", True),
        (75, "not yet: the next call decides", True),
        (2, "bad settings", False),
        (42, "the source is not fit to train on", False),
        (1, "failed", False),
    ],
)
def test_retraining_decides_and_waits_for_nothing(tmp_path, code, verdict, passes):
    retrain = f"""echo '{{"decision": "started", "why": ["```"]}}'; exit {code}"""

    result = run_step(
        tmp_path,
        "Decide",
        {".venv/bin/agrivision": retrain},
        PARAMETERS="source_uri: gs://bucket/tiles\ntrain_num_workers: 4",
        RETRAIN_OPTIONS="--min-new-tiles=500  --max-age-days=30",
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
    )

    assert (result.returncode == 0) is passes, result.stderr
    assert (tmp_path / "parameters.yaml").read_text() == "source_uri: gs://bucket/tiles\ntrain_num_workers: 4\n"
    options = "--params parameters.yaml --no-wait --json --min-new-tiles=500 --max-age-days=30"
    assert (tmp_path / "calls").read_text() == f"agrivision retrain {options}\n"
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith(f"## Retraining: {verdict}\n")
    assert summary.count("```") == 2  # nothing that the source says ends the block
    assert '"decision": "started"' in summary


def test_the_image_of_a_commit_is_named_by_it_and_its_base_by_a_digest(tmp_path):
    (tmp_path / "docker/base").mkdir(parents=True)
    (tmp_path / "docker/base/Dockerfile").write_bytes((ROOT / "docker/base/Dockerfile").read_bytes())

    result = run_step(
        tmp_path,
        "Name",
        {"bin/docker": "cat >token", "bin/git": "echo 1700000000"},
        REPOSITORY="registry.example.com/team/python",
        TARGET="gpu",
        REGISTRY_TOKEN="secret",
        GITHUB_SHA="abc",
        GITHUB_OUTPUT=str(tmp_path / "output"),
    )

    assert result.returncode == 0, result.stderr
    name, base, time = (tmp_path / "output").read_text().splitlines()
    assert (name, time) == ("name=registry.example.com/team/python:abc-gpu", "time=1700000000")
    assert re.fullmatch(r"base=\S+@sha256:[0-9a-f]{64}", base)
    assert (tmp_path / "token").read_text() == "secret\n"
    login = "docker login registry.example.com --username oauth2accesstoken --password-stdin"
    assert login in (tmp_path / "calls").read_text()


def test_a_build_is_cached_and_the_pipeline_compiled_with_its_digest_and_no_token_stays_behind():
    steps = load(ROOT / ".github/workflows/retrain.yml")["jobs"]["retrain"]["steps"]
    (build,) = [step for step in steps if "build-push" in step.get("uses", "")]
    (forget,) = [step for step in steps if step.get("run", "").startswith("docker logout")]
    (compiles,) = [step for step in steps if step.get("run") == "make compile"]

    for end in ("cache-from", "cache-to"):
        assert build["with"][end].startswith("type=gha")
    assert build["with"]["file"] == "docker/Dockerfile"
    assert build["with"]["provenance"] is False
    assert forget["if"] == "always()"
    assert steps.index(build) < steps.index(forget) < steps.index(compiles)
    assert compiles["env"]["AGRIVISION_IMAGE"].endswith("@${{ steps.build.outputs.digest }}")


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
