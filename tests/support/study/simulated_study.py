"""A study whose times are simulated, with every kind of verdict: what its page is looked at with."""

import dataclasses

from study_findings import MACHINE, NO_GPU, findings_of
from study_tables import CLAIMS

from bench.turn_noise import BusyMachine
from components.contracts.study import RoundTable
from components.measuring.rounds import take_rounds
from components.study.results.study_result import make_result

NUM_ROUNDS = 61
# Seconds of each arm without noise, the first being the one that runs twice.
TIMES = {
    "formats": {"keras folder": 5.1, "original tfrecord": 3.0, "jpeg files": 2.04, "jpeg records": 2.0, "shards": 1.6},
    "partitions": {"one file": 1.15, "shards": 1.0},
    "strategy": {"mirrored": 1.0, "one device": 1.0},
    "conversion": {"folder": 9.0, "conversion and records": 9.7},
}


@dataclasses.dataclass
class Simulated:
    name: str

    def table(self):
        machine, times = BusyMachine((3, len(self.name))), TIMES[self.name]
        first = next(iter(times))
        turns = {arm: lambda of=of: machine.turn(of) for arm, of in {**times, f"{first} again": times[first]}.items()}
        return RoundTable(
            name=self.name,
            factor="format",
            unit="s",
            num_planned=NUM_ROUNDS,
            seed=1,
            arms=tuple(times),
            has_again=True,
            rounds=tuple(tuple(each.values()) for each in take_rounds(turns, NUM_ROUNDS, 1)),
            not_run={"shards on a gpu": NO_GPU} if self.name == "formats" else {},
        )


def seeds(name, differences):
    rounds = tuple((0.5 + difference, 0.5) for difference in differences)
    return RoundTable(
        name=name,
        factor="averaging",
        unit="macro F1",
        num_planned=len(rounds),
        seed=0,
        arms=("sequential", "averaged"),
        has_again=False,
        rounds=rounds,
    )


MEMORY = CLAIMS.by_id["larger_than_memory"]
MEASURED = {
    "larger_than_memory": {"checks": dict.fromkeys((*MEMORY.claimed, *MEMORY.control), True)},
    "generator_holds_one_batch": {"values": {"python_generator": 0.02}},
    "tfrecord_faster_cpu": {"table": "formats", "arms": ("keras folder", "original tfrecord")},
    "binary_format_is_why": {"table": "formats", "arms": ("jpeg files", "jpeg records")},
    "tfrecord_faster_gpu": {"table": "formats", "arms": ("keras folder", "shards on a gpu")},
    "partitioned_tfrecord_better": {"table": "partitions", "arms": ("one file", "shards")},
    "strategy_competitive": {"table": "strategy", "arms": ("mirrored", "one device")},
    "conversion_pays": {"table": "conversion", "arms": ("folder", "conversion and records")},
    "dense_layers_hold_weights": {"values": {"alexnet": 0.96, "vgg16": 0.894, "resnet50": 0.08}},
    "averaged_sgd_worse": {"table": "averaging", "arms": ("sequential", "averaged")},
}


def simulated_result():
    tables = [*(Simulated(name).table() for name in TIMES), seeds("averaging", [0.02, 0.03, 0.005, 0.01] * 3)]
    return make_result(CLAIMS, "laptop", MACHINE, tables, findings_of(MEASURED))
