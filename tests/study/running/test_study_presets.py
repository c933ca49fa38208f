"""Which experiments there are and can be chosen, and how large a study of each preset is."""

import dataclasses
import pkgutil
import sys
import types

import pytest
from fake_experiments import fake_experiments
from study_tables import CLAIMS

from components.errors import SettingsError
from components.measuring.median_interval import fewest_values
from components.study.experiments.experiment import ImportedWhenRun
from components.study.running.presets import PRESETS, preset_of
from components.study.running.registry import chosen_experiments, known_experiments


def test_a_room_that_is_named_and_missing_is_an_error_and_so_are_two_experiments_of_one_name(monkeypatch):
    room = types.ModuleType("rooms.one.all_experiments")
    room.EXPERIMENTS = fake_experiments(1)
    for name in ("rooms", "rooms.one"):
        package = types.ModuleType(name)
        package.__path__ = []
        monkeypatch.setitem(sys.modules, name, package)
    monkeypatch.setitem(sys.modules, "rooms.one.all_experiments", room)

    assert [each.name for each in known_experiments(("one",), "rooms")] == ["scale", "epochs"]
    with pytest.raises(ModuleNotFoundError, match=r"rooms\.missing"):
        known_experiments(("one", "missing"), "rooms")
    with pytest.raises(ValueError, match="'epochs' must be in one room"):
        known_experiments(("one", "one"), "rooms")


def test_the_experiments_of_this_version_are_those_of_claims():
    names = [each.name for each in known_experiments()]

    assert set(names) <= {claim.experiment for claim in CLAIMS.claims}
    assert len(names) == len(set(names))


def test_an_experiment_or_preset_that_nobody_knows_is_refused():
    with pytest.raises(SettingsError, match=r"unknown experiment 'scael' \(did you mean 'scale'\?\)"):
        chosen_experiments(fake_experiments(), ["scael"])
    with pytest.raises(SettingsError, match="unknown preset 'large'; expected one of ci, laptop, gpu"):
        preset_of("large")
    assert [each.name for each in chosen_experiments(fake_experiments(), ["epochs"])] == ["epochs"]
    assert {name: each.name for name, each in PRESETS.items()} == {name: name for name in PRESETS}


def test_what_is_imported_only_when_it_runs_can_be():
    late = [each.run.place for each in known_experiments() if isinstance(each.run, ImportedWhenRun)]

    assert len(late) >= 10
    for place in late:
        assert callable(pkgutil.resolve_name(place)), place


def test_a_preset_of_verdicts_has_enough_rounds_and_seeds_for_them():
    for preset in (PRESETS["laptop"], PRESETS["gpu"]):
        for experiment in known_experiments():
            assert preset.of(experiment.name).rounds >= fewest_values(CLAIMS.alpha)
        assert preset.seeds >= fewest_values(CLAIMS.alpha)


def test_what_is_otherwise_in_an_experiment_is_so_there_alone():
    names = {each.name for each in known_experiments()}
    laptop = PRESETS["laptop"]

    assert {name for preset in PRESETS.values() for name in preset.otherwise} <= names
    assert (laptop.of("scale").rounds, laptop.of("scale").seeds) == (11, laptop.seeds)
    assert dataclasses.replace(laptop.of("memory"), otherwise=laptop.otherwise) == laptop
