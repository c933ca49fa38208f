"""What a run will take: seconds and money by step, each as an interval."""

import dataclasses
from collections.abc import Mapping, Sequence

from components.contracts import TrainingReceipt
from components.cost.known_trainings import Kind, KnownTraining, known_trainings, size_of
from components.cost.prices import LAPTOP, Prices
from components.cost.train_speed import Interval, TrainSize, forecast_seconds, speed_of
from components.errors import DataError, SettingsError
from components.train.more_workers import outlook_note, outlook_rows
from components.train.settings.tuning.network import USUAL_IMAGE_SIZE_PX
from components.words import as_money, number_of
from pipeline.cost.machine_speed import MachineSpeed
from pipeline.parameters import Parameters

# What the other steps took in local runs of 40 to 3,000 tiles on idle and busy machines: evaluate and push as multiples
# of the time to import TensorFlow, which tells how busy the machine is. Low, middle and high.
_OF_LISTING = Interval(0.3, 1.0, 3.0)
_OF_SHARD = Interval(0.3, 0.7, 2.0)
_OF_MERGE = Interval(0.5, 1.0, 4.0)
_EVALUATE_IMPORTS = Interval(1.0, 2.5, 8.0)
_PUSH_IMPORTS = Interval(1.5, 4.0, 12.0)
_BETWEEN_IMPORTS = Interval(0.5, 2.5, 7.0)  # the processes of eight steps
_GATE = Interval(0.0, 0.2, 2.0)
_EVALUATED_VALS = 3.0  # evaluate asks about val and test, and about changed tiles; in validations of a tile
_VALIDATION_SHARE = 0.4
_CPU = "cpu"  # the node pool of all steps but training


@dataclasses.dataclass(frozen=True)
class Forecast:
    """A run as it is expected.

    Attributes:
      steps: Seconds by step.
      cost: By step, in the currency of the prices.
      currency: Of these.
      num_known: Earlier trainings that the forecast of training rests on; 0 if on the measured machine alone.
      like: The receipt of the training that its speed is taken from.
      size: Of the training.
      profile: Of the workers.
      num_nodes: Of the workers.
    """

    steps: dict[str, Interval]
    cost: dict[str, Interval]
    currency: str
    num_known: int
    like: TrainingReceipt
    size: TrainSize
    profile: str
    num_nodes: int


def forecast_run(
    parameters: Parameters,
    num_tiles: Mapping[str, int],
    list_seconds: float,
    measured: MachineSpeed,
    earlier: Sequence[KnownTraining],
    prices: Prices,
    profile: str,
    num_nodes: int,
) -> Forecast:
    """Returns what a run of these parameters will take, if nothing of it is there already.

    Args:
      parameters: Of the run.
      num_tiles: By split.
      list_seconds: That listing the source took here.
      measured: On this machine.
      earlier: Trainings of this kind.
      prices: Of the profiles.
      profile: Of the workers.
      num_nodes: That the workers are charged for.

    Raises:
      SettingsError: if there is no price of a profile, or no training on another machine than this one to go by.
      DataError: if the source has no train or val tiles.
    """
    config = parameters.train.config
    total = sum(num_tiles.values())
    size = size_of(
        num_tiles.get("train", 0),
        num_tiles.get("val", 0),
        config.global_batch_size,
        config.epochs,
        config.early_stopping_patience,
    )
    if not size.num_train or not size.num_val:
        raise DataError(
            f"the source has {size.num_train} train and {size.num_val} val tiles for whole batches of training"
        )
    known = [*earlier, measured.training] if profile == LAPTOP else list(earlier)
    seconds = forecast_seconds(known, size)
    told = [(each, speed) for each, of in known if (speed := speed_of(each, of))]
    if seconds is None or not told:
        raise SettingsError(
            f"the trainings on {profile} were too short, or restarted, to tell how fast one is; run one of more epochs"
        )
    like, speed = told[-1]
    asked = _EVALUATED_VALS * _VALIDATION_SHARE * speed.tile_seconds * (total - size.num_train)
    evaluate = _EVALUATE_IMPORTS.times(measured.import_seconds) + Interval(asked / 3, asked, 3 * asked)
    steps = {
        "ingest": _OF_LISTING.times(list_seconds + 0.5),
        "shard": _OF_SHARD.times(measured.shard_tile_seconds * total),
        "merge": _OF_MERGE.times(measured.merge_seconds),
        "train": seconds,
        "evaluate": evaluate,
        "gate": _GATE,
        "push": _PUSH_IMPORTS.times(measured.import_seconds),
        "between steps": _BETWEEN_IMPORTS.times(measured.import_seconds),
    }
    of_steps, of_training = profiles_of_run(profile)
    other = prices.of(of_steps).per_hour / 3600
    of_workers = prices.of(of_training).per_hour * num_nodes / 3600
    cost = {step: each.times(of_workers if step == "train" else other) for step, each in steps.items()}
    return Forecast(steps, cost, prices.currency, len(earlier), like, size, profile, num_nodes)


def profiles_of_run(profile: str) -> tuple[str, str]:
    """Returns the node pools that a run is charged for: of its other steps, and of its workers."""
    return (LAPTOP if profile == LAPTOP else _CPU), profile


def earlier_trainings(parameters: Parameters, profile: str, tile_px: int) -> list[KnownTraining]:
    """Returns the earlier trainings that a forecast can go by.

    Args:
      parameters: Of the run.
      profile: That its workers run on.
      tile_px: Side of the source's tiles, pixels.

    Raises:
      SettingsError: if there is none, and it is about another machine than this one, which cannot be measured here.
    """
    config = parameters.train.config
    usual = min(USUAL_IMAGE_SIZE_PX, parameters.ingest.tile_size_px or tile_px)
    values = {**config.to_builtins(), "image_size_px": config.image_size_px or usual}
    known = known_trainings(parameters.run.data_root, Kind(profile, parameters.train.num_workers, values))
    if not known and profile != LAPTOP:
        raise SettingsError(
            f"no training on {profile} under {parameters.run.data_root!r} tells how fast one of this kind is; run "
            "one of a few epochs there first, or leave --profile out for this machine"
        )
    return known


def in_all(parts: Mapping[str, Interval]) -> Interval:
    """Returns the interval of all steps together."""
    whole = Interval(0.0, 0.0, 0.0)
    for part in parts.values():
        whole += part
    return whole


def forecast_lines(made: Forecast, num_tiles: int) -> list[str]:
    """Returns the forecast as a table for a person."""
    lines = [f"{'step':<14} {'seconds':>9}   {'90 % interval':<17} cost"]
    for step, seconds in [*made.steps.items(), ("in all", in_all(made.steps))]:
        cost = made.cost.get(step) or in_all(made.cost)
        between = f"{seconds.low:,.0f} to {seconds.high:,.0f}"
        lines.append(f"{step:<14} {seconds.middle:>9,.0f}   {between:<17} {_money(cost, made.currency)}")
    each = in_all(made.cost).times(1000 / num_tiles)
    lines.append(f"1,000 tiles    {'':>9}   {'':<17} {_money(each, made.currency)}")
    by = f"{number_of(made.num_known, 'earlier training')} of this kind" if made.num_known else ""
    by += (" and " if by and made.profile == LAPTOP else "") + ("a short one" if made.profile == LAPTOP else "")
    lines.append(f"training on {made.num_nodes} x {made.profile}, by {by}; if nothing is there already")
    return lines


def workers_lines(made: Forecast, prices: Prices) -> list[str]:
    """Returns what other numbers of workers would make of the training, as a table for a person."""
    rows = outlook_rows(made.like, made.size, made.profile, (prices.of(made.profile).per_hour, prices.currency))
    lines = [f"{workers:<14} {time:<32} {cost}" for workers, time, cost in rows]
    return ["", f"{'workers':<14} {'time of training':<32} cost", *lines, outlook_note(made.like, made.profile)]


def as_object(made: Forecast) -> dict[str, object]:
    """Returns the forecast for programs: seconds and cost by step, each as [low, middle, high]."""

    def listed(each: Interval) -> list[float]:
        return [round(bound, 6) for bound in (each.low, each.middle, each.high)]

    return {
        "currency": made.currency,
        "profile": made.profile,
        "num_nodes": made.num_nodes,
        "num_known_trainings": made.num_known,
        "seconds": {step: listed(each) for step, each in made.steps.items()} | {"in all": listed(in_all(made.steps))},
        "cost": {step: listed(each) for step, each in made.cost.items()} | {"in all": listed(in_all(made.cost))},
    }


def _money(amount: Interval, currency: str) -> str:
    if not amount.high:
        return as_money(0.0, currency)
    return (
        f"{as_money(amount.middle, currency)} ({as_money(amount.low, currency)} to {as_money(amount.high, currency)})"
    )
