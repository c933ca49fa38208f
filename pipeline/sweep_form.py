"""The run form of a sweep: that of training, and what to vary; and the trials that follow from it, all checked.

Imports neither kfp nor TensorFlow.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import Sweep, Trial
from components.errors import SettingsError
from components.setting import settings_from, settings_of
from components.sweep.halving import epochs_of_rungs
from components.sweep.proposals import proposed_values
from components.sweep.settings import OPTIONS, SEARCH, SweepSettings
from components.sweep.space import as_search, read_space
from components.sweep.trial import config_of
from components.sweep.wording import values_text
from pipeline.form import CONFIG, FormField, fields
from pipeline.parameters import Parameters

_OPTIONS_MEANING = "How many trials, seeds and rungs"


def sweep_fields(volume: bool) -> dict[str, FormField]:
    """Returns the form's fields by name: those of training, and two of the sweep; see fields."""
    keys = {field.name: (field.default, known) for field, known in settings_of(SweepSettings) if known.group}
    told = " ".join(f"{key}: {known.help}" for key, (_, known) in keys.items())
    search = next(known for field, known in settings_of(SweepSettings) if field.name == "search")
    return fields(volume) | {
        SEARCH: FormField(dict[str, Any], {}, search.help),
        OPTIONS: FormField(
            dict[str, Any], {key: default for key, (default, _) in keys.items()}, f"{_OPTIONS_MEANING}. {told}"
        ),
    }


def sweep_values(settings: SweepSettings) -> dict[str, Any]:
    """Returns the settings of a sweep as the form has them."""
    own = {field.name: getattr(settings, field.name) for field, known in settings_of(SweepSettings) if known.group}
    return {SEARCH: settings.search, OPTIONS: own}


def sweep_settings(search: Mapping[str, Any], options: Mapping[str, Any]) -> SweepSettings:
    """Returns the settings of a sweep from the form's two fields.

    Raises:
      SettingsError: for an unknown key, or a value that is not allowed.
    """
    return settings_from(SweepSettings, OPTIONS, options, search=search)


def propose_sweep(parameters: Parameters, settings: SweepSettings) -> Sweep:
    """Returns a sweep without results; every trial is checked like the parameters of a run.

    Args:
      parameters: Of the run; what they say of training holds for all trials.

    Raises:
      SettingsError: for a space, or a trial, that cannot work; names the key or the trial.
    """
    space = read_space(settings.search)
    if both := [key for key in space if key in parameters.values[CONFIG]]:
        raise SettingsError(f"{CONFIG} sets {both[0]}, which {SEARCH} varies; leave it out of one of them")
    config = parameters.train.config
    values = proposed_values(space, settings.num_trials, settings.seed)
    sweep = Sweep(
        search=as_search(space),
        seeds=tuple(config.seed + number for number in range(settings.num_seeds)),
        rung_epochs=epochs_of_rungs(config.epochs, settings.num_rungs, settings.reduction),
        reduction=settings.reduction,
        train_config=config.to_builtins(),
        trials=tuple(Trial(number=number, values=each) for number, each in enumerate(values, start=1)),
    )
    for trial in sweep.trials:
        # The last seed is the largest; the first rung has the fewest epochs.
        tuning = config_of(sweep, trial, 1, sweep.seeds[-1])
        try:
            Parameters(**(parameters.values | {CONFIG: tuning.to_builtins()}))
        except SettingsError as error:
            raise SettingsError(f"trial {trial.number} ({values_text(trial.values)}): {error}") from error
    return sweep
