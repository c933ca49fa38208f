"""Documents of a registry that somebody forged, and names that try to steer a terminal."""

import datetime
import json
import os

import msgspec
import pytest
from command_here import agrivision_here
from model_cards import card_of, publish, served

from components import storage
from components.contracts import ArchivedMoves, Channel, VersionState
from components.contracts.registry import Action, Move, Pin, Presence
from components.errors import DataError, SettingsError
from components.registry import card_uri
from components.registry.channels import all_moves, read_channel, timestamp
from components.registry.layout import history_uri, state_uri, version_names
from components.registry.pins import read_state
from components.registry.promotion import promote
from components.registry.removal import remove_version

pytestmark = pytest.mark.hostile
THEN = "2026-01-31T12:00:00Z"


@pytest.fixture
def models_uri(tmp_path):
    uri = str(tmp_path / "models")
    publish(uri, "a", "b", "c")
    promote(uri, "a", "production")
    return uri


def move(at=THEN):
    return Move(at=at, action=Action.PUSH, version="a")


@pytest.mark.parametrize("num_archived", [-1, 10**8, 2**64 - 1])
def test_a_forged_number_of_older_moves_names_no_file(models_uri, num_archived):
    forged = Channel(version="a", moves=(move(),) * 200, num_archived=num_archived)
    storage.write_bytes(f"{models_uri}/channels/staging.json", forged.to_json())
    with pytest.raises(DataError, match=r"staging.json is not a channel .* at `\$.num_archived`; restore it"):
        promote(models_uri, "b", "staging")
    assert not os.path.exists(f"{models_uri}/history")


def test_more_moves_than_there_are_end_at_the_first_missing_file(models_uri):
    forged = Channel(version="a", num_archived=10**8 - 1)
    storage.write_bytes(f"{models_uri}/channels/staging.json", forged.to_json())
    part = ArchivedMoves(first=0, moves=(move(),))
    storage.write_bytes(history_uri(models_uri, "staging", 0), part.to_json())
    with pytest.raises(DataError, match=r"00000001.json' is gone, which has moves of staging from number 1 on"):
        all_moves(models_uri, "staging", read_channel(models_uri, "staging")[0])


@pytest.mark.parametrize("at", ["", "9999", "\x1b[2J", "2026-01-31T12:00:00Z\n", "٢٠٢٦-01-31T12:00:00Z"])
def test_a_time_that_is_none_is_refused_where_it_is_read(models_uri, at):
    pinned = VersionState(pins=(Pin(channel="staging", at=at),))
    storage.write_bytes(state_uri(models_uri, "c"), pinned.to_json())
    with pytest.raises(DataError, match=r"Expected a time in UTC as in 2026-01-31T12:00:00Z - at `\$.pins\[0\].at`"):
        remove_version(models_uri, "c")
    storage.write_bytes(f"{models_uri}/channels/staging.json", Channel(version="a", moves=(move(at),)).to_json())
    with pytest.raises(DataError, match=r"Expected a time in UTC .* at `\$.moves\[0\].at`"):
        read_channel(models_uri, "staging")


def test_a_pin_from_the_far_future_keeps_no_version_for_ever(models_uri):
    soon = timestamp(datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10))
    for at, is_young in ((soon, True), ("2999-12-31T23:59:59Z", False)):
        storage.write_bytes(state_uri(models_uri, "c"), VersionState(pins=(Pin(channel="staging", at=at),)).to_json())
        if is_young:  # by a clock that is ahead
            with pytest.raises(SettingsError, match="was about to be promoted to staging"):
                remove_version(models_uri, "c")
    remove_version(models_uri, "c")
    assert version_names(models_uri) == ["a", "b"]


def test_a_version_that_a_channel_names_is_not_removed_whatever_its_state_says(models_uri):
    storage.write_bytes(state_uri(models_uri, "a"), VersionState(presence=Presence.REMOVING).to_json())
    with pytest.raises(SettingsError, match="version a is in production; promote another one before"):
        remove_version(models_uri, "a")
    assert storage.exists(card_uri(models_uri, "a"))
    promote(models_uri, "b", "production")
    remove_version(models_uri, "a")
    assert read_state(models_uri, "a")[0].presence == Presence.GONE


@pytest.mark.parametrize("name", ["d/xcard.json", "d/e/card.json", "card.json"])
def test_a_file_that_is_no_card_makes_no_version(models_uri, name):
    storage.write_bytes(f"{models_uri}/versions/{name}", b"{}")
    assert version_names(models_uri) == ["a", "b", "c"]
    assert agrivision_here("models", "list", models_uri).returncode == 0


def test_json_for_programs_holds_no_escape_for_a_terminal_and_keeps_its_meaning(models_uri):
    licence = "x\x9b31m\u202e\x1b[2J\x7f\U000e0041 é–\u200c"
    card = msgspec.structs.replace(card_of("b"), data_licence=licence)
    storage.write_bytes(card_uri(models_uri, "b"), card.to_json())
    for arguments, found in (
        (["list", models_uri, "--json"], lambda parsed: {row["version"]: row["data_licence"] for row in parsed}["b"]),
        (["show", models_uri, "b", "--json"], lambda parsed: parsed["data_licence"]),
        (["diff", models_uri, "a", "b", "--json"], lambda parsed: parsed["data_licence"][1]),
    ):
        output = agrivision_here("models", *arguments).stdout
        assert output.replace("\n", "").replace("\u200c", "").isprintable()
        assert found(json.loads(output)) == licence


def test_a_reason_that_is_not_utf_8_is_kept_as_escapes(models_uri):
    promote(models_uri, "b", "staging", why="as \udcff said")
    assert served(models_uri, "staging")[0] == "b"
    assert read_channel(models_uri, "staging")[0].moves[-1].why == "as \\udcff said"


def test_a_removal_of_a_link_leaves_what_it_leads_to(models_uri, tmp_path):
    publish(str(tmp_path / "others"), "x")
    theirs = tmp_path / "others/versions/x"
    (tmp_path / "models/versions/x").symlink_to(theirs)
    remove_version(models_uri, "x")
    assert [path.name for path in theirs.iterdir()] == ["card.json"]
    assert not (tmp_path / "models/versions/x").is_symlink()
    assert version_names(models_uri) == ["a", "b", "c"]
