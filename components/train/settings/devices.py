"""Finds this machine's accelerators without TensorFlow, so bad settings are rejected before anything starts."""

import dataclasses
import importlib.util
import itertools
import re
from pathlib import Path

from components import environment

_DEV = Path("/dev")


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices to train on, in addition to the CPU.

    Attributes:
      num_gpus: NVIDIA GPUs that this process may use.
      num_tpu_hosts: Number of hosts in the TPU slice that this machine belongs to.
    """

    num_gpus: int = 0
    has_tpu: bool = False
    num_tpu_hosts: int = 1


def find_devices(dev: Path = _DEV) -> Devices:
    """Returns this machine's devices, found by their files under `dev`."""
    num_gpus = _count(dev, r"nvidia\d+")
    visible = environment.cuda_visible_devices()
    if visible is not None:
        # As in CUDA, the first invalid entry hides all entries after it.
        named = [name.strip() for name in visible.split(",")]
        num_gpus = min(num_gpus, len(list(itertools.takewhile(lambda name: name not in ("", "-1"), named))))
    # Newer TPUs appear as VFIO files, like any device passed through to a virtual machine.
    has_tpu = _count(dev, r"accel\d+") > 0 or (
        _count(dev / "vfio", r"\d+") > 0 and importlib.util.find_spec("libtpu") is not None
    )
    return Devices(num_gpus, has_tpu, max(1, len(environment.tpu_hosts())))


def _count(folder: Path, pattern: str) -> int:
    return sum(re.fullmatch(pattern, path.name) is not None for path in folder.iterdir()) if folder.is_dir() else 0
