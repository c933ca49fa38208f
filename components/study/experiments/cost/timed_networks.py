"""Which networks are trained to measure their speed, and for how many steps."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TimedNetwork:
    """A network whose training is timed.

    Attributes:
      batch_size: Tiles of a step.
      num_steps: Steps that are timed, after one that compiles.
    """

    backbone: str
    image_size_px: int
    batch_size: int
    num_steps: int

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.backbone} at {self.image_size_px} px"


# 128 px is what the project trains at if nobody says otherwise, and 224 px what MobileNetV2 was published for.
_NETWORKS = {
    "ci": (TimedNetwork("small", 128, 16, 5), TimedNetwork("mobilenet_v2", 96, 16, 3)),
    "laptop": (TimedNetwork("small", 128, 32, 20), TimedNetwork("mobilenet_v2", 224, 32, 10)),
    "gpu": (TimedNetwork("small", 128, 32, 20), TimedNetwork("mobilenet_v2", 224, 32, 10)),
}


def networks_of(preset: str) -> tuple[TimedNetwork, ...]:
    """Returns the networks of a preset, from the fastest."""
    return _NETWORKS[preset]
