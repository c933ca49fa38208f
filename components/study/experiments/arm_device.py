"""An arm takes its steps on the device that it says, or not at all."""

from components.errors import DataError
from components.study.arms.arm import Arm


def hide_other_devices(arm: Arm) -> None:
    """Has TensorFlow see no GPU if the arm runs on the processor. Call this before TensorFlow does anything else."""
    import tensorflow as tf

    if arm.place.device == "cpu":
        tf.config.set_visible_devices([], "GPU")


def check_device(arm: Arm) -> None:
    """Refuses to train elsewhere: without the device, TensorFlow would take the processor, and say nothing.

    Raises:
      DataError: if TensorFlow sees no such device.
    """
    import tensorflow as tf

    if not tf.config.list_logical_devices(kind := arm.place.device.upper()):
        raise DataError(
            f"TensorFlow sees no {kind}, though this machine has one; install the TensorFlow that can use it, or see "
            "what CUDA_VISIBLE_DEVICES hides"
        )
