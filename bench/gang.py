"""Runs the workers of a training as processes, each on its own core, which take steps on request.

`python -m bench.gang SPEC` is one worker: it reads a number of calls from a line and answers with its rate.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from bench.run_settings import Setup
from components.train.settings.config import TrainConfig

_RATE = "rate of the turn: "


class Gang:
    """Workers in lockstep, one on each core; a single worker has no peers."""

    def __init__(self, setup: Setup, config: TrainConfig, cores: Sequence[int]) -> None:
        """Starts the workers.

        Args:
          config: Here, `global_batch_size` is the batch of each worker.
        """
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in cores]
        addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
        for server in servers:
            server.close()
        total = dataclasses.replace(config, global_batch_size=config.global_batch_size * len(cores))
        common = {
            "folder": str(setup.folder),
            "num_tiles": setup.num_dataset_tiles,
            "tile_size_px": setup.tile_size_px,
            "config": json.dumps(msgspec.to_builtins(total)),
            "num_workers": len(cores),
        }
        self._workers = []
        for index, core in enumerate(cores):
            cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
            if len(cores) > 1:
                environment["TF_CONFIG"] = json.dumps(cluster)
            self._workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "bench.gang", json.dumps({**common, "worker": index, "core": core})],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
            )

    def turn(self, num_calls: int) -> float:
        """Makes all workers take steps and returns their total rate in tiles/s."""
        self.start_turn(num_calls)
        return self.finish_turn()

    def start_turn(self, num_calls: int) -> None:
        """Tells all workers to take the steps of `num_calls` calls, without waiting for them."""
        for process in self._workers:
            assert process.stdin is not None
            process.stdin.write(f"{num_calls}\n")
            process.stdin.flush()

    def finish_turn(self) -> float:
        """Waits for the started turn to end and returns the rate of the slowest worker."""
        return min(map(_read_rate, self._workers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._workers:
            process.kill()
        for process in self._workers:
            process.communicate()


def _read_rate(process: "subprocess.Popen[str]") -> float:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(_RATE):
            return float(line.removeprefix(_RATE))
    raise RuntimeError(f"a worker ended with {process.wait()}")


def _work(spec: dict[str, Any]) -> None:
    os.sched_setaffinity(0, {spec["core"]})  # before TensorFlow starts its threads, which inherit it
    from pathlib import Path

    import tensorflow as tf

    from bench.dataset import open_dataset
    from bench.trainee import BenchTrainee, limit_threads

    limit_threads(1)
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if spec["num_workers"] > 1 else None
    dataset = open_dataset(Path(spec["folder"]), spec["num_tiles"], spec["tile_size_px"])
    config = TrainConfig.from_object(json.loads(spec["config"]))
    trainee = BenchTrainee(dataset, config, strategy, spec["worker"], spec["num_workers"])
    batches = trainee.batches(num_threads=1)
    for line in sys.stdin:
        print(f"{_RATE}{trainee.turn(batches, int(line))!r}", flush=True)


if __name__ == "__main__":
    _work(json.loads(sys.argv[1]))
