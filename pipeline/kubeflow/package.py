"""What we upload to Kubeflow Pipelines: a compiled pipeline, with other images if requested, and a version name."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.errors import SettingsError
from pipeline.checkout import checked_out_commit

# As in dag.py and sweep_pipeline.py, which would import the compiler.
PIPELINE_NAME, SWEEP_NAME = "agrivision-training", "agrivision-sweep"
DESCRIPTION = "Tiles to a checked and pushed classifier of crop patterns"
SWEEP_DESCRIPTION = "Tries settings of training on one dataset, and judges and pushes the best"
_HERE = Path(__file__).parents[1]
# They read the source; if it is on s3://, they need an image that the other steps could not run in.
SOURCE_STEPS = ("ingest", "shard", "merge")
_EXECUTOR_LINE = re.compile(r"    exec-([\w-]+):\n")
_IMAGE_LINE = re.compile(r"( +image: )(\S+)\n")
# <registry>[:<port>]/<name>, then :<tag>, @<algorithm>:<digest> or both; as in the distribution specification.
_NAME = re.compile(r"[a-z0-9.\-]+(:\d+)?(/[a-z0-9]+([._\-]+[a-z0-9]+)*)*")
_REFERENCE = re.compile(rf"{_NAME.pattern}(:\w[\w.\-]*)?(@[a-z0-9]+:[0-9a-f]{{64}})?")


@dataclasses.dataclass(frozen=True)
class Package:
    """A compiled pipeline, ready to upload.

    Attributes:
      text: YAML.
      version: The name of its version.
      name, description: Of the pipeline that it is a version of.
      sweep_form: What its run form has beyond that of training, by name; empty if it is no sweep.
    """

    text: str
    version: str
    name: str = PIPELINE_NAME
    description: str = DESCRIPTION
    sweep_form: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def documents(self) -> list[Any]:
        """The pipeline's specification, and its Kubernetes settings if it has any."""
        return list(yaml.load_all(self.text, yaml.CSafeLoader))  # the C parser is ten times as fast


def make_package(
    volume: bool,
    image: str = "",
    version: str = "",
    ingest_image: str = "",
    sweep_form: Mapping[str, Any] | None = None,
) -> Package:
    """Returns the committed pipeline, unchanged except for the images of its steps.

    Args:
      volume: Whether its steps mount a volume claim.
      image, ingest_image: See with_images.
      version: Name of the version; by default the commit, if the checkout is clean, and a hash of the content.
      sweep_form: What the run form of a sweep has beyond that of training; None for the training pipeline.

    Raises:
      SettingsError: if `image` or `ingest_image` is not the name of an image.
    """
    name, description = (SWEEP_NAME, SWEEP_DESCRIPTION) if sweep_form else (PIPELINE_NAME, DESCRIPTION)
    text = (_HERE / ("volume" if volume else ".") / f"{name}.yaml").read_text()
    text = with_images(text, image, ingest_image)
    return Package(text, version or _version(text), name, description, sweep_form or {})


def _version(text: str) -> str:
    content = hashlib.sha256(text.encode()).hexdigest()[:12]
    commit = checked_out_commit()
    return f"{commit[:12]}-{content[:8]}" if commit else f"sha-{content}"


def images_of(specification: Any) -> dict[str, str]:
    """Returns the image of each step in a pipeline's specification, the first document of its YAML."""
    executors = specification["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): each["container"]["image"] for name, each in executors.items()}


def with_images(text: str, image: str, ingest_image: str) -> str:
    """Returns a compiled pipeline with other images and nothing else changed.

    Args:
      text: YAML.
      image: Replaces the image of train and of every step with the same image; empty to keep it.
      ingest_image: Replaces the image of SOURCE_STEPS; if empty, `image` applies to them too.

    Raises:
      SettingsError: if one of them is not the name of an image.
    """
    for option, given in (("--image", image), ("--ingest-image", ingest_image)):
        if given and not _REFERENCE.fullmatch(given):
            raise SettingsError(f"{option} must be <registry>/<name>:<tag> or <name>@sha256:<digest>, got {given!r}")
    if not image and not ingest_image:
        return text
    compiled = images_of(next(yaml.load_all(text, yaml.CSafeLoader)))["train"]
    return "".join(_replaced(text, compiled, image, ingest_image))


def _replaced(text: str, compiled: str, image: str, ingest_image: str) -> Iterator[str]:
    step = ""
    for line in text.splitlines(keepends=True):
        if header := _EXECUTOR_LINE.fullmatch(line):
            step = header[1]
        if not (found := _IMAGE_LINE.fullmatch(line)):
            yield line
        elif ingest_image and step in SOURCE_STEPS:
            yield f"{found[1]}{ingest_image}\n"
        else:
            yield f"{found[1]}{image}\n" if image and found[2] == compiled else line
