"""Runs a comparison of formats: each arm in a process of its own, with what its turns say of themselves."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from components.contracts.study import RoundTable
from components.study.arms.arm import Arm
from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Bench
from components.study.experiments.formats.turn_details import ArmSpec, TurnDetails, median_of, read_turns
from components.study.experiments.prepared_tiles import PreparedTiles, num_bytes_under
from components.study.experiments.start import program_arguments
from components.study.protocol.arm_process import RunningArm, stopped_arm
from components.study.protocol.measure_arms import AGAIN, measure_arms
from components.study.protocol.plan import Plan

_PROGRAM = "components.study.experiments.formats.arm_program"


@dataclasses.dataclass(frozen=True)
class MeasuredFormats:
    """A comparison's table, and the turns of each arm."""

    table: RoundTable
    turns: Mapping[str, Sequence[TurnDetails]]

    def more(self, what: str, unit: str, of_turn: Callable[[TurnDetails], float]) -> RoundTable:
        """Returns a table of something else that the same turns tell, without A/A."""
        columns = [[of_turn(turn) for turn in self.turns[arm]] for arm in self.table.arms]
        return RoundTable(
            name=f"{self.table.name}_{what}",
            factor=self.table.factor,
            unit=unit,
            num_planned=self.table.num_planned,
            seed=self.table.seed,
            arms=self.table.arms,
            has_again=False,
            rounds=tuple(zip(*columns, strict=True)),
            is_measured=True,
        )


def measure_formats(
    bench: Bench,
    comparison: ArmComparison,
    tiles: Mapping[str, PreparedTiles],
    *,
    times_conversion: bool = False,
    num_paid_epochs: int = 1,
) -> MeasuredFormats:
    """Measures a comparison in the preset's rounds.

    Args:
      tiles: What each arm reads, by its name.
      times_conversion, num_paid_epochs: See ArmSpec.
    """
    folder = bench.folder / "arms" / comparison.name
    folder.mkdir(parents=True, exist_ok=True)

    def spec_path(name: str) -> Any:
        return folder / f"{name.replace(' ', '_')}.json"

    @contextlib.contextmanager
    def open_arm(arm: Arm) -> Iterator[RunningArm]:
        path = spec_path(arm.name)
        path.with_suffix(".turns.jsonl").unlink(missing_ok=True)
        spec = ArmSpec(
            arm=arm,
            tiles_root=str(tiles[arm.name.removesuffix(f" {AGAIN}")].root.resolve()),
            times_conversion=times_conversion,
            num_paid_epochs=num_paid_epochs,
        )
        path.write_bytes(msgspec.json.encode(spec))
        with stopped_arm(arm, program_arguments(_PROGRAM, str(path.resolve()))) as running:
            yield running

    bench.say(f"{comparison.name}: {len(comparison.arms)} arms and A/A, {bench.preset.rounds} rounds")
    table = measure_arms(comparison, Plan(num_rounds=bench.preset.rounds), open_arm)
    turns = {name: read_turns(spec_path(name).with_suffix(".turns.jsonl")) for name in table.arms}
    for name, found in turns.items():
        seconds = median_of(found, lambda turn: turn.epoch_seconds)
        waiting = median_of(found, lambda turn: turn.waiting_share)
        rate = comparison.by_name[name].source.num_tiles / seconds
        bench.say(f"{comparison.name}: {name}: {seconds:.2f} s an epoch, {rate:,.0f} tiles/s, {waiting:.0%} waiting")
    return MeasuredFormats(table, turns)


def disk_table(name: str, comparison: ArmComparison, tiles: PreparedTiles) -> RoundTable:
    """Returns the bytes that each arm's layout takes on the disk, as one round."""
    return RoundTable(
        name=f"{name}_disk",
        factor=comparison.factor,
        unit="B",
        num_planned=1,
        seed=0,
        arms=tuple(arm.name for arm in comparison.arms),
        has_again=False,
        rounds=(tuple(float(_layout_bytes(arm, tiles)) for arm in comparison.arms),),
    )


def _layout_bytes(arm: Arm, tiles: PreparedTiles) -> int:
    if arm.source.layout == "folder":
        return num_bytes_under(tiles.folder)
    if arm.source.layout == "shards":
        return num_bytes_under(*(tiles.root / shard.path for shard in tiles.manifest.splits["train"].shards))
    if arm.source.layout == "original_tfrecord":
        return num_bytes_under(*sorted(tiles.root.glob("original-*.tfrecord"))[:1])
    return num_bytes_under(*tiles.record_files(arm.source.layout, arm.source.num_files))
