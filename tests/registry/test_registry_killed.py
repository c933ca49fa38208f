"""Killed at any moment of a publication, a promotion or a removal, a registry is whole, and goes on."""

import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest
from model_cards import card_of

from components import storage
from components.errors import SettingsError
from components.registry import removal
from components.registry.channels import all_moves, read_channel
from components.registry.layout import CARD, card_uri, channel_names, read_card, version_names, version_uri
from components.registry.pins import Presence, read_state
from components.registry.promotion import promote
from components.storage import whole_folder

_FILES = ("saved_model.pb", "variables/variables.index")


def work(models_uri: str, first: int, folder: Path) -> None:
    """Publishes, promotes and removes versions until it is killed."""
    for number in itertools.count(first):
        version = f"v{number:05}"
        local = folder / version
        for name in _FILES:
            storage.write_bytes(str(local / name), name.encode() * 1_000)
        storage.write_bytes(str(local / CARD), card_of(version).to_json())
        whole_folder.publish(local, version_uri(models_uri, version), last=CARD)
        promote(models_uri, version, ("production", "staging")[number % 2])
        for old in version_names(models_uri):
            try:
                removal.remove_version(models_uri, old, retention_days=-1)
            except SettingsError:
                continue


def require_whole(models_uri: str) -> int:
    """Checks what everybody may rely on; returns the number of moves."""
    num_moves = 0
    for version in version_names(models_uri):
        read_card(models_uri, version)
        assert all(storage.exists(f"{version_uri(models_uri, version)}/{name}") for name in _FILES)
    for name in channel_names(models_uri):
        state, _ = read_channel(models_uri, name)
        assert storage.exists(card_uri(models_uri, state.version))
        assert read_state(models_uri, state.version)[0].presence == Presence.KEPT
        moves = all_moves(models_uri, name, state)
        assert [move.before for move in moves[1:]] == [move.version for move in moves[:-1]]
        assert moves[-1].version == state.version
        num_moves += len(moves)
    return num_moves


@pytest.mark.hostile
def test_killed_at_fifty_moments_a_registry_is_whole_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_PIN_SECONDS", -1)
    models_uri, generator, done = str(tmp_path / "models"), random.Random(19), 0
    for round_ in range(50):
        child = os.fork()
        if not child:
            try:
                work(models_uri, 1_000 * round_, tmp_path / "local")
            finally:
                os._exit(1)
        time.sleep(0.03 + 0.5 * generator.random())
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        now = require_whole(models_uri)
        assert now >= done
        done = now
    assert done >= 20  # it came to something in between, even on a slow disk
    for version in {path.name for path in Path(models_uri, "versions").iterdir() if not path.name.startswith(".")}:
        if read_state(models_uri, version)[0].presence == Presence.REMOVING:
            removal.remove_version(models_uri, version)
            assert not Path(version_uri(models_uri, version)).exists()
