"""What is uploaded to Kubeflow Pipelines: its image, and the name of its version."""

import re
import subprocess

import pytest

from components.errors import SettingsError
from pipeline.kubeflow.package import images_of, make_package


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit; `git` runs in it."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/agrivision-training.yaml").write_text("compiled")

    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", tmp_path, *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    monkeypatch.setattr("pipeline.checkout._ROOT", tmp_path)
    return git


def test_a_version_is_named_by_commit_and_content(checkout):
    version = make_package(volume=False).version

    assert version.startswith(checkout("rev-parse", "HEAD")[:12] + "-")
    others = [make_package(volume=True).version, make_package(volume=False, image="example/python:1").version]
    assert len({version, *others}) == 3
    assert make_package(volume=False).version == version
    assert make_package(volume=False, version="spring").version == "spring"


def test_a_changed_checkout_and_no_checkout_are_named_by_content_alone(checkout, tmp_path, monkeypatch):
    (tmp_path / "pipeline/agrivision-training.yaml").write_text("changed")
    changed = make_package(volume=False).version
    # Another project's checkout, in which this one is installed.
    checkout("rm", "-q", "--cached", "pipeline/agrivision-training.yaml")
    installed = make_package(volume=False).version
    monkeypatch.setattr("pipeline.checkout._ROOT", tmp_path / "nowhere")

    assert re.fullmatch(r"sha-[0-9a-f]{12}", changed)
    assert installed == changed == make_package(volume=False).version


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.11",
        "localhost/agrivision-python:dev",
        "registry.example.com:5000/team/agri-vision_x:v1.2",
        "example/python@sha256:" + "0" * 64,
        "example/python:dev@sha256:" + "a" * 64,
    ],
)
def test_an_image_goes_into_every_step(image):
    text = make_package(volume=True, image=image).text

    assert text.count(f" image: {image}\n") == 9
    assert "agrivision-python:dev\n" not in text.replace(f" image: {image}\n", "")


def test_an_image_for_what_reads_the_source_goes_into_these_steps_alone():
    own = {"ingest": "example/ingest:1", "shard": "example/ingest:1", "merge": "example/ingest:1"}
    for image, others in (("", "localhost/agrivision-python:dev"), ("example/python:1", "example/python:1")):
        package = make_package(volume=False, image=image, ingest_image="example/ingest:1")
        assert (
            images_of(package.documents[0])
            == dict.fromkeys(("check", "train", "evaluate", "gate", "push", "refused"), others) | own
        )
        assert package.text.count(" image: ") == 9


@pytest.mark.parametrize("image", [" ", "Example/python", "example/python:", "a b", "python@sha256:12", "x\nimage: y"])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(SettingsError, match="--image must be <registry>/<name>:<tag>"):
        make_package(volume=False, image=image)
    with pytest.raises(SettingsError, match="--ingest-image must be <registry>/<name>:<tag>"):
        make_package(volume=False, ingest_image=image)
