"""The experiment `hybrid`: does its premise hold, for which networks, and does it move fewer bytes?"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from components.contracts.study import Finding, Matrix, Words
from components.errors import DataError
from components.measuring.stopped_process import StoppedProcess
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.hybrid.dtensor_network import BATCH_SIZE, SMALL_ALEXNET
from components.study.experiments.hybrid.layer_counts import LayerCounts, counts_of
from components.study.experiments.hybrid.moved_numbers import bytes_by_data, bytes_by_hybrid, dtensor_numbers
from components.study.experiments.hybrid.networks import network_names
from components.study.experiments.learning.tiles import CLASSES
from components.study.experiments.start import program_arguments

NUM_DEVICES, STEP_TILES = 4, 128  # a step of 128, as in Krizhevsky 2014; the ratio does not depend on the devices
TOLERANCE = 1e-5  # of a weight, absolute, after three steps
_PROGRAM = "components.study.experiments.hybrid.dtensor_program"
_WORDS = {"data": "data parallel", "hybrid": "hybrid"}
_MEGABYTE = 1e6


def run_hybrid(bench: Bench) -> Sequence[Result]:
    """Returns three findings with a value for each network, the table of networks, and what DTensor did."""
    counts: dict[str, LayerCounts] = {}
    for name in network_names(bench.preset.name):
        counts[name] = counts_of(name, len(CLASSES))
        bench.say(f"{name}: {counts[name].dense_share_of_weights:.1%} of the weights in dense layers")
    ran = ask_dtensor()
    bench.say("DTensor on two devices equals one device, and reduces what was computed")
    ratios = {
        name: bytes_by_data(each, NUM_DEVICES) / bytes_by_hybrid(each, NUM_DEVICES, STEP_TILES)
        for name, each in counts.items()
    }
    return [
        Finding(
            claim="convolutions_hold_computing",
            values={name: each.convolution_share_of_multiplications for name, each in counts.items()},
        ),
        Finding(
            claim="dense_layers_hold_weights",
            values={name: each.dense_share_of_weights for name, each in counts.items()},
        ),
        Finding(claim="hybrid_moves_less", values=ratios),
        _networks(counts),
        _dtensor(ran),
    ]


def ask_dtensor() -> dict[str, Any]:
    """Returns what the small network did on two devices, by "data" and "hybrid".

    Raises:
      DataError: if it did not learn what one device learns, or did not reduce as many numbers as computed.
    """
    ran = {}
    with StoppedProcess("the network on two devices", [sys.executable, *program_arguments(_PROGRAM)], 600) as process:
        for kind in _WORDS:
            ran[kind] = process.ask(kind)
    for kind, found in ran.items():
        if found["difference"] > TOLERANCE:
            raise DataError(
                f"{_WORDS[kind]} training on two devices must equal one device to {TOLERANCE:g}, got a weight that "
                f"differs by {found['difference']:g}"
            )
        computed = dtensor_numbers(SMALL_ALEXNET, BATCH_SIZE, is_hybrid=kind == "hybrid")
        if sum(found["reduced"]) != computed:
            raise DataError(
                f"{_WORDS[kind]} training must reduce {computed:,} numbers in a step, got {sum(found['reduced']):,} in "
                f"{len(found['reduced'])} collectives"
            )
    return ran


def _networks(counts: Mapping[str, LayerCounts]) -> Matrix:
    return Matrix(
        name="hybrid_networks",
        title=Words(
            english=f"Where networks have weights and multiplications, and the MB of a step of {STEP_TILES} tiles "
            f"between {NUM_DEVICES} devices",
            spanish=f"Dónde están los pesos y las multiplicaciones, y los MB de un paso de {STEP_TILES} teselas entre "
            f"{NUM_DEVICES} dispositivos",
        ),
        unit="share or MB",
        row_title=Words(english="network", spanish="red"),
        column_title=Words(english="what", spanish="qué"),
        rows=tuple(counts),
        columns=("weights in dense", "multiplications in convolutions", "MB by data", "MB by hybrid"),
        values=tuple(
            (
                each.dense_share_of_weights,
                each.convolution_share_of_multiplications,
                bytes_by_data(each, NUM_DEVICES) / _MEGABYTE,
                bytes_by_hybrid(each, NUM_DEVICES, STEP_TILES) / _MEGABYTE,
            )
            for each in counts.values()
        ),
        has_one_unit=False,
    )


def _dtensor(ran: Mapping[str, Any]) -> Matrix:
    return Matrix(
        name="hybrid_dtensor",
        title=Words(
            english="A small network like AlexNet on two devices: numbers that a step reduces, and the largest "
            "difference of a weight to one device after three steps",
            spanish="Una red pequeña como AlexNet en dos dispositivos: números que reduce un paso y mayor diferencia "
            "de un peso respecto a un dispositivo tras tres pasos",
        ),
        unit="numbers or difference",
        row_title=Words(english="parallelism", spanish="paralelismo"),
        column_title=Words(english="what", spanish="qué"),
        rows=tuple(_WORDS.values()),
        columns=("computed", "counted", "difference"),
        values=tuple(
            (
                float(dtensor_numbers(SMALL_ALEXNET, BATCH_SIZE, is_hybrid=kind == "hybrid")),
                float(sum(ran[kind]["reduced"])),
                ran[kind]["difference"],
            )
            for kind in _WORDS
        ),
        has_one_unit=False,
    )
