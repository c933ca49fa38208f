"""Removal: what is in use stays, what is removed is gone as a whole, and a promotion that meets it is refused."""

import datetime
import os
from pathlib import Path

import pytest
from model_cards import publish, served

from components import storage
from components.contracts import VersionState
from components.contracts.registry import Pin, Presence
from components.errors import AgrivisionError, SettingsError
from components.registry import pins
from components.registry.channels import timestamp
from components.registry.layout import state_uri, version_names, version_uri
from components.registry.promotion import promote
from components.registry.removal import remove_version

NODE = os.uname().nodename


@pytest.fixture
def models_uri(tmp_path):
    return str(tmp_path / "models")


def test_a_version_that_nobody_uses_is_removed_with_all_its_files(models_uri):
    publish(models_uri, "a", "b")
    storage.write_bytes(f"{version_uri(models_uri, 'b')}/variables/variables.index", b"x")
    assert remove_version(models_uri, "b", why="too large") == f"version b is removed from {models_uri!r}"
    assert version_names(models_uri) == ["a"]
    assert not Path(version_uri(models_uri, "b")).exists()
    state, _ = pins.read_state(models_uri, "b")
    assert (state.presence, state.removed.why) == (Presence.GONE, "too large")
    with pytest.raises(SettingsError, match="no version 'b' in"):
        remove_version(models_uri, "b")


def test_what_a_channel_names_or_named_lately_stays(models_uri):
    publish(models_uri, "a", "b", "c", "d")
    for version in "abc":
        promote(models_uri, version, "staging")
    with pytest.raises(SettingsError, match="version c is in staging; promote another one before"):
        remove_version(models_uri, "c", retention_days=0)
    with pytest.raises(SettingsError, match="version b is what a rollback of staging returns to"):
        remove_version(models_uri, "b", retention_days=0)
    with pytest.raises(SettingsError, match=r"staging named version a until 20.*, within the last 90 days"):
        remove_version(models_uri, "a")
    with pytest.raises(SettingsError, match=r"was about to be promoted to staging at .*; try again in an hour"):
        remove_version(models_uri, "a", retention_days=-1)
    assert version_names(models_uri) == ["a", "b", "c", "d"]
    age_pins(models_uri, "a")
    remove_version(models_uri, "a", retention_days=-1)
    remove_version(models_uri, "d")
    assert version_names(models_uri) == ["b", "c"]


def age_pins(models_uri, version):
    """Makes the pins of a version two hours old."""
    long_ago = timestamp(datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2))
    state, _ = pins.read_state(models_uri, version)
    aged = VersionState(pins=tuple(Pin(channel=each.channel, at=long_ago) for each in state.pins))
    storage.write_bytes(state_uri(models_uri, version), aged.to_json())


def test_a_promotion_that_begins_while_a_removal_looks_is_seen(models_uri, monkeypatch):
    publish(models_uri, "a")
    mark = pins.mark_removing

    def promoted_meanwhile(*arguments):
        monkeypatch.undo()
        promote(models_uri, "a", "staging")
        mark(*arguments)

    monkeypatch.setattr("components.registry.removal.mark_removing", promoted_meanwhile)
    with pytest.raises(AgrivisionError, match="is being promoted or removed by somebody else; nothing was removed"):
        remove_version(models_uri, "a")
    assert served(models_uri, "staging")[0] == "a"
    assert version_names(models_uri) == ["a"]


def test_a_removal_that_was_cut_off_keeps_everybody_out_and_is_brought_to_its_end(models_uri, monkeypatch):
    publish(models_uri, "a")

    def cut_off(*_, **__):
        raise OSError("cut off")

    monkeypatch.setattr("components.storage.whole_folder.remove", cut_off)
    with pytest.raises(OSError, match="cut off"):
        remove_version(models_uri, "a")
    monkeypatch.undo()
    with pytest.raises(SettingsError, match=r"version a in .* is being removed; if nobody is at it any more"):
        promote(models_uri, "a", "staging")
    with pytest.raises(SettingsError, match="is being removed"):
        pins.revive(models_uri, "a")
    remove_version(models_uri, "a")
    assert version_names(models_uri) == []
    pins.revive(models_uri, "a")
    publish(models_uri, "a")
    promote(models_uri, "a", "staging")


def test_a_version_that_is_gone_cannot_be_promoted_until_it_is_pushed_again(models_uri):
    publish(models_uri, "a")
    remove_version(models_uri, "a")
    publish(models_uri, "a")  # by somebody who copied it there, and no push
    with pytest.raises(SettingsError, match=rf"version a was removed from .* by .*{NODE}.*; push it again"):
        promote(models_uri, "a", "staging")
