"""The experiments of this room: what each measures, and the claims that it answers."""

import math
from collections.abc import Sequence

from components.contracts.study import Finding, Words
from components.study.arms.arm_comparison import ArmComparison
from components.study.claims.claims_file import read_claims
from components.study.experiments.experiment import Bench, Experiment, Result
from components.study.experiments.formats.break_even import break_even_epochs
from components.study.experiments.formats.format_arms import KERAS_FOLDER, ORIGINAL, SHARDS, FormatArms
from components.study.experiments.formats.measured import MeasuredFormats, disk_table, measure_formats
from components.study.experiments.prepared_tiles import prepare_tiles

_PAID_EPOCHS = 10  # the claim's
_NO_GPU = Words(english="this machine has no GPU", spanish="esta máquina no tiene GPU")


def _arms(bench: Bench) -> FormatArms:
    preset = bench.preset
    tiles = prepare_tiles(bench.shared, preset.num_tiles, preset.tile_size_px)
    return FormatArms(tiles, preset, bench.machine, preset.tile_size_px)


def _measure(bench: Bench, arms: FormatArms, comparison: ArmComparison) -> MeasuredFormats:
    return measure_formats(bench, comparison, dict.fromkeys(comparison.by_name, arms.tiles))


def _pair(claim: str, comparison: ArmComparison) -> Finding:
    first, second = comparison.arms[:2]
    return Finding(claim=claim, table=comparison.name, arms=(first.name, second.name))


def _formats(bench: Bench) -> Sequence[Result]:
    arms, results = _arms(bench), list[Result]()
    for claim, comparison in (
        ("tfrecord_faster_cpu", arms.as_the_original("as_the_original")),
        ("binary_format_is_why", arms.same_pixels()),
    ):
        measured = _measure(bench, arms, comparison)
        results += [
            _pair(claim, comparison),
            measured.table,
            measured.more("waiting", "share", lambda turn: turn.waiting_share),
            measured.more("peak_memory", "B", lambda turn: float(turn.peak_bytes)),
            disk_table(comparison.name, comparison, arms.tiles),
        ]
    if bench.preset.name != "ci":
        results.append(_stored_small(bench).table)
    return results


def _stored_small(bench: Bench) -> MeasuredFormats:
    """Tiles that were made smaller when the shards were written, against making them smaller in every epoch."""
    preset = bench.preset
    side = preset.tile_size_px // 2
    whole = prepare_tiles(bench.shared, preset.num_tiles, preset.tile_size_px)
    small = prepare_tiles(bench.shared, preset.num_tiles, preset.tile_size_px, stored_size_px=side)
    arms = (
        FormatArms(whole, preset, bench.machine, side).arm("stored_whole", **SHARDS),
        FormatArms(small, preset, bench.machine, side).arm("stored_small", stored_size_px=side, **SHARDS),
    )
    comparison = ArmComparison(name="stored_small", factor="stored_size", arms=arms)
    return measure_formats(bench, comparison, {"stored_whole": whole, "stored_small": small})


def _conversion(bench: Bench) -> Sequence[Result]:
    """Ten epochs from the folder against the conversion and ten epochs; of the ten, the preset's are measured."""
    arms = _arms(bench)
    comparison = ArmComparison(
        name="conversion", factor="input", arms=(arms.arm("folder", **KERAS_FOLDER), arms.arm("original", **ORIGINAL))
    )
    measured = measure_formats(
        bench,
        comparison,
        dict.fromkeys(comparison.by_name, arms.tiles),
        times_conversion=True,
        num_paid_epochs=_PAID_EPOCHS,
    )
    rounds = [
        (fast.conversion_seconds, slow.epoch_seconds, fast.epoch_seconds)
        for slow, fast in zip(measured.turns["folder"], measured.turns["original"], strict=True)
    ]
    epochs, interval = break_even_epochs(rounds, read_claims().alpha)
    values = {"break_even_epochs": epochs}
    if interval is not None:
        values |= {"break_even_epochs_low": interval[0], "break_even_epochs_high": interval[1]}
    told = f"{epochs:.2f} epochs" if math.isfinite(epochs) else "never, for an epoch takes no less"
    bench.say(f"conversion: it has paid after {told}")
    finding = Finding(
        claim="conversion_pays",
        table="conversion",
        arms=("folder", "original"),
        values={name: value for name, value in values.items() if math.isfinite(value)},  # a document holds no infinity
        is_measured=True,
    )
    return [finding, measured.table, measured.more("seconds", "s", lambda turn: turn.conversion_seconds)]


def _one_pair(bench: Bench, claim: str, arms: FormatArms, comparison: ArmComparison) -> Sequence[Result]:
    return [_pair(claim, comparison), _measure(bench, arms, comparison).table]


def _partitions(bench: Bench) -> Sequence[Result]:
    arms = _arms(bench)
    return _one_pair(bench, "partitioned_tfrecord_better", arms, arms.partitions())


def _compression(bench: Bench) -> Sequence[Result]:
    arms = _arms(bench)
    comparison = arms.compression()
    return [
        *_one_pair(bench, "compressed_images_pay", arms, comparison),
        disk_table(comparison.name, comparison, arms.tiles),
    ]


def _strategy(bench: Bench) -> Sequence[Result]:
    arms = _arms(bench)
    return _one_pair(bench, "strategy_competitive", arms, arms.strategy())


def _formats_strategy(bench: Bench) -> Sequence[Result]:
    arms = _arms(bench)
    comparison = arms.as_the_original("formats_strategy", strategy="mirrored")
    return _one_pair(bench, "tfrecord_faster_with_strategy", arms, comparison)


def _formats_gpu(bench: Bench) -> Sequence[Result]:
    if not bench.machine.accelerators:
        return [Finding(claim="tfrecord_faster_gpu", not_run=_NO_GPU)]
    arms = _arms(bench)
    return _one_pair(bench, "tfrecord_faster_gpu", arms, arms.as_the_original("formats_gpu", device="gpu"))


def _devices(bench: Bench) -> Sequence[Result]:
    if not bench.machine.accelerators:
        return [Finding(claim="gpu_worth_it", not_run=_NO_GPU)]
    arms = _arms(bench)
    return _one_pair(bench, "gpu_worth_it", arms, arms.devices())


EXPERIMENTS = (
    Experiment("formats", "Folder, TFRecord and shards", _formats),
    Experiment("formats_gpu", "Folder and TFRecord on a GPU", _formats_gpu),
    Experiment("formats_strategy", "Folder and TFRecord with a distribution strategy", _formats_strategy),
    Experiment("partitions", "One TFRecord file and several", _partitions),
    Experiment("compression", "Raw pixels and JPEG", _compression),
    Experiment("conversion", "When a conversion pays", _conversion),
    Experiment("strategy", "MirroredStrategy on one device", _strategy),
    Experiment("devices", "CPU and GPU", _devices),
)
