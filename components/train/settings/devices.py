"""The accelerators of this machine, told without TensorFlow, so that a setting is refused before anything starts."""

import dataclasses
import importlib.util
import itertools
import re
from pathlib import Path

from components import environment

_DEV = Path("/dev")


@dataclasses.dataclass(frozen=True)
class Devices:
    """What there is to train on, beside the processor.

    Attributes:
      num_gpus: NVIDIA GPUs that this process may use.
      num_tpu_hosts: Hosts of the TPU slice that this machine belongs to.
    """

    num_gpus: int = 0
    has_tpu: bool = False
    num_tpu_hosts: int = 1


def find_devices(dev: Path = _DEV) -> Devices:
    """Returns the devices of this machine, by their files under `dev`."""
    num_gpus = _count(dev, r"nvidia\d+")
    visible = environment.cuda_visible_devices()
    if visible is not None:
        # As in CUDA, the first one that is no device hides those after it.
        named = [name.strip() for name in visible.split(",")]
        num_gpus = min(num_gpus, len(list(itertools.takewhile(lambda name: name not in ("", "-1"), named))))
    # Newer TPUs are files of VFIO, as any device that is handed through to a virtual machine.
    has_tpu = _count(dev, r"accel\d+") > 0 or (
        _count(dev / "vfio", r"\d+") > 0 and importlib.util.find_spec("libtpu") is not None
    )
    return Devices(num_gpus, has_tpu, max(1, len(environment.tpu_hosts())))


def _count(folder: Path, pattern: str) -> int:
    return sum(re.fullmatch(pattern, path.name) is not None for path in folder.iterdir()) if folder.is_dir() else 0
