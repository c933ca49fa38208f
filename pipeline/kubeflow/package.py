"""What is uploaded to Kubeflow Pipelines: a compiled pipeline, with other images if asked, and its version's name."""

import dataclasses
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import yaml

from pipeline.kubeflow.images import with_images

PIPELINE_NAME = "agrivision-training"  # as in dag.py, which would bring in the compiler
_HERE = Path(__file__).parents[1]
_ROOT = _HERE.parent


@dataclasses.dataclass(frozen=True)
class Package:
    """A compiled pipeline as it is uploaded.

    Attributes:
      text: YAML.
      version: The name of its version.
    """

    text: str
    version: str

    @property
    def documents(self) -> list[Any]:
        """The pipeline's specification, and what Kubernetes is told about it."""
        return list(yaml.load_all(self.text, yaml.CSafeLoader))  # the reader in C is ten times as fast


def make_package(volume: bool, image: str = "", version: str = "", ingest_image: str = "") -> Package:
    """Returns the committed pipeline, unchanged but for the images of its steps.

    Args:
      volume: Whether its steps mount a volume claim.
      image, ingest_image: See with_images.
      version: Name of the version; by default the commit, if the checkout is clean, and a hash of the content.

    Raises:
      SettingsError: if one of the images is none.
    """
    text = (_HERE / ("training_pipeline_volume.yaml" if volume else "training_pipeline.yaml")).read_text()
    text = with_images(text, image, ingest_image)
    return Package(text, version or _version(text))


def _version(text: str) -> str:
    content = hashlib.sha256(text.encode()).hexdigest()[:12]
    commit = _commit()
    return f"{commit[:12]}-{content[:8]}" if commit else f"sha-{content}"


def _commit() -> str:
    """Returns the commit that this project is checked out at; empty if it is changed, or not a checkout."""

    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(["git", "-C", _ROOT, *arguments], capture_output=True, text=True, check=False)
        except OSError:  # there is no git
            return None
        return result.stdout.strip() if result.returncode == 0 else None

    # An installed package may lie in an environment within somebody else's checkout.
    if git("ls-files", "--error-unmatch", "pipeline/training_pipeline.yaml") is None:
        return ""
    return "" if git("status", "--porcelain", "--untracked-files=no") else git("rev-parse", "HEAD") or ""
