"""docker/Dockerfile and what goes into it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
TARGETS = ("cpu", "gpu", "tpu", "ingest")


def stage(name):
    return re.search(rf"^FROM (\S+) AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)


def locked(lock):
    """Returns name -> version of a hash-locked file; each package must have a hash."""
    packages = {}
    for entry in re.split(r"\n(?=[a-z0-9])", (ROOT / f"requirements/{lock}.txt").read_text()):
        if match := re.match(r"([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==(\S+)", entry):
            assert "--hash=sha256:" in entry, match[0]
            if "python_full_version >= '3.12'" in entry.splitlines()[0]:
                continue  # locked for whoever has a newer Python, which our images have not
            packages[match[1]] = match[2]
    return packages


def test_every_stage_starts_from_the_one_base_that_can_be_pinned():
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))

    assert bases - stages == {"${BASE}", "${TARGET}-packages", "scratch"}
    assert {f"{target}-packages" for target in TARGETS} <= stages


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_its_locked_packages_below_our_code_and_runs_as_a_numbered_user(target):
    base, body = stage(target).groups()

    assert base == "runtime"
    copies = re.findall(r"^COPY (.*)$", body, re.MULTILINE)
    assert copies == [f"--from={target}-packages /opt/venv /opt/venv", "--from=code /app /app"]
    assert "USER" not in body
    assert re.search(r"^USER [1-9]\d*:\d+$", stage("runtime")[2], re.MULTILINE)
    assert f"COPY requirements/{target}.txt" in stage(f"{target}-packages")[2]


def test_what_is_copied_into_an_image_is_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set(re.findall(r"^COPY ([^-\s]\S*)", DOCKERFILE, re.MULTILINE))

    assert copied == allowed
    assert all((ROOT / path).exists() for path in copied)


@pytest.mark.parametrize(
    ("target", "package", "version"),
    [
        ("cpu", "tensorflow-cpu", "2.21.0"),
        ("gpu", "tensorflow", "2.21.0"),
        ("tpu", "tensorflow-tpu", "2.20.0"),
        ("ingest", "tensorflow-cpu", "2.16.2"),
    ],
)
def test_an_image_has_one_build_of_tensorflow(target, package, version):
    builds = {name: version for name, version in locked(target).items() if re.fullmatch(r"tensorflow(-\w+)?", name)}

    others = {"tensorflow-io", "tensorflow-io-gcs-filesystem", "tensorflow-estimator"}
    assert builds.get(package) == version
    assert set(builds) - others - ({"tensorflow"} if target in ("cpu", "ingest") else set()) == {package}


def test_make_builds_on_a_base_by_digest():
    base = (ROOT / "docker/base/Dockerfile").read_text()

    (tag,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.search(rf"^FROM {re.escape(tag)}@sha256:[0-9a-f]{{64}}$", base, re.MULTILINE)
    printed = subprocess.run(["make", "-n", "image"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--build-arg BASE={re.search('FROM (.*)', base)[1]} " in printed


@pytest.mark.parametrize(
    ("target", "owners"),
    [("cpu", set()), ("ingest", set()), ("gpu", {"NVIDIA-Proprietary"}), ("tpu", {"Google-libtpu"})],
)
def test_an_image_that_holds_what_is_not_free_software_says_whose(target, owners):
    held = {"NVIDIA-Proprietary" for name in locked(target) if name.startswith("nvidia-")}
    held |= {"Google-libtpu"} & {f"Google-{name}" for name in locked(target)}
    (label,) = re.findall(r'image\.licenses="(.*?)"', stage(target)[2]) or ["Apache-2.0"]

    assert held == owners == set(re.findall(r"LicenseRef-(\S+)", label))
    assert label.startswith("Apache-2.0")


def test_every_image_runs_steps_with_the_kfp_that_compiles_them():
    """One that is too old, such as kfp 2.13, fails on the lists of artifacts that Kubeflow Pipelines 2.17 sends."""
    assert {locked(target)["kfp"] for target in TARGETS} == {locked("dev")["kfp"]}


def test_the_gpu_image_is_the_cpu_image_but_for_cuda():
    cpu, gpu = locked("cpu"), locked("gpu")

    differing = {name for name in cpu.keys() & gpu.keys() if cpu[name] != gpu[name]}
    assert differing == set()
    assert {name for name in gpu.keys() - cpu.keys() if not name.startswith("nvidia-")} <= {"tensorflow"}
