"""One arm in a process of its own: `python -m components.study.experiments.formats.arm_program SPEC`.

It writes a line of details for each turn, next to the spec, because a turn itself answers with one number.
"""

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from components.contracts.study import Witness
from components.measuring.peak_memory import own_peak_bytes
from components.study.arms.recording import WitnessRecorder
from components.study.experiments.arm_device import check_device, hide_other_devices
from components.study.experiments.formats.turn_details import ArmSpec, TurnDetails
from components.study.experiments.prepared_tiles import PreparedTiles
from components.study.protocol.arm_process import serve_arm


def serve_format_arm(spec_path: Path) -> NoReturn:
    """Answers for the arm of a spec."""
    spec = msgspec.json.decode(spec_path.read_bytes(), type=ArmSpec)
    arm, tiles = spec.arm, PreparedTiles(Path(spec.tiles_root))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported
    import tensorflow as tf

    from components.study.experiments.formats.arm_inputs import open_arm_input
    from components.study.experiments.formats.small_training import SmallTraining

    hide_other_devices(arm)
    tf.config.threading.set_intra_op_parallelism_threads(arm.place.num_cores)
    tf.config.threading.set_inter_op_parallelism_threads(arm.place.num_cores)
    tf.config.experimental.enable_op_determinism()  # as any training does
    inputs = open_arm_input(arm, tiles, spec_path.stem)
    training = SmallTraining(arm, inputs, len(tiles.manifest.classes))

    def witness() -> Witness:
        check_device(arm)
        recorder = WitnessRecorder(
            dataset=tiles.sha256, machine=arm.place.machine, reads_same_pixels=inputs.reads_same_pixels
        )
        recorder.add_weights(training.weights())
        per_epoch = arm.source.num_tiles // arm.training.config.global_batch_size
        for number, step in enumerate(training.watched_epochs()):
            first = (number % per_epoch) * len(step.labels)
            if inputs.tile_ids is not None:
                names = inputs.tile_ids[first : first + len(step.labels)]
            else:  # a reader that loses names, whose tiles are known by their pixels
                names = tuple(hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in step.pixels)
            recorder.add_batch(names, step.pixels, step.labels)
            recorder.add_loss(step.loss)
        return recorder.witness()

    def turn() -> float:
        converting = 0.0
        if spec.times_conversion and inputs.convert is not None:
            start = time.perf_counter()
            inputs.convert()
            converting = time.perf_counter() - start
        seconds = training.epochs()
        whole = seconds * arm.training.config.epochs
        details = TurnDetails(seconds, training.waiting_seconds / whole, converting, own_peak_bytes())
        with spec_path.with_suffix(".turns.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(details) + b"\n")
        return converting + spec.num_paid_epochs * seconds

    serve_arm(witness, turn)


if __name__ == "__main__":
    serve_format_arm(Path(sys.argv[1]))
