"""Channels: promotion, rollback, their history, and what a commercial one takes."""

import datetime
import hashlib

import pytest
from model_cards import publish, served

from components import storage
from components.contracts.registry import Action, Use
from components.errors import AgrivisionError, DataError, SettingsError
from components.registry import move_production, read_production
from components.registry.channels import all_moves, read_channel
from components.registry.layout import card_uri, channel_names, version_names
from components.registry.licence import is_non_commercial
from components.registry.pins import read_state, revive
from components.registry.promotion import mark_use, promote, rollback


@pytest.fixture
def models_uri(tmp_path):
    return str(tmp_path / "models")


def history(models_uri, channel="production"):
    state, _ = read_channel(models_uri, channel)
    return [(move.action, move.before, move.version) for move in all_moves(models_uri, channel, state)]


def test_a_channel_of_any_name_moves_and_returns_by_itself(models_uri):
    publish(models_uri, "a", "b")
    assert promote(models_uri, "a", "production") == "production is now a"
    assert promote(models_uri, "a", "staging") == "staging is now a"
    assert promote(models_uri, "b", "staging", why="looks well") == "staging is now b, before it was a"
    assert (served(models_uri)[0], served(models_uri, "staging")[0]) == ("a", "b")
    assert rollback(models_uri, "staging") == "staging is now a, before it was b"
    assert channel_names(models_uri) == ["production", "staging"]
    assert version_names(models_uri) == ["a", "b"]


def test_a_history_tells_who_did_what_when_and_why(models_uri, monkeypatch):
    monkeypatch.setenv("KFP_POD_NAME", "agrivision-x7-push-1")
    publish(models_uri, "a", "b")
    move_production(models_uri, "a", *read_production(models_uri), why="better by 0.04")
    promote(models_uri, "b", "production", why="asked for by the agronomists")
    rollback(models_uri)
    assert history(models_uri) == [
        (Action.PUSH, None, "a"),
        (Action.PROMOTE, "a", "b"),
        (Action.ROLLBACK, "b", "a"),
    ]
    first = read_production(models_uri)[0].moves[0]
    assert (first.why, first.run) == ("better by 0.04", "agrivision-x7-push-1")
    assert "@" in first.who
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(first.at)
    assert age < datetime.timedelta(minutes=5)


def test_the_first_pin_says_which_card_was_published_and_a_new_push_says_it_again(models_uri):
    publish(models_uri, "a", "b")
    promote(models_uri, "a", "production")
    first = read_state(models_uri, "a")[0].card_sha256
    assert first == hashlib.sha256(storage.read_bytes(card_uri(models_uri, "a"))).hexdigest()
    publish(models_uri, "a", data_licence="another")  # behind the registry's back
    promote(models_uri, "b", "production")
    promote(models_uri, "a", "staging")
    assert read_state(models_uri, "a")[0].card_sha256 == first
    revive(models_uri, "a")
    assert not read_state(models_uri, "a")[0].card_sha256


def test_a_long_history_leaves_the_pointer_small_and_loses_nothing(models_uri):
    publish(models_uri, "a", "b")
    for number in range(450):
        promote(models_uri, "ab"[number % 2], "staging", why=str(number))
    state, _ = read_channel(models_uri, "staging")
    assert len(state.moves) <= 200
    assert state.num_archived == 300
    assert [move.why for move in all_moves(models_uri, "staging", state)] == [str(number) for number in range(450)]
    storage.write_bytes(f"{models_uri}/history/staging/00000100.json", b"{}")
    with pytest.raises(DataError, match=r"00000100.json"):
        all_moves(models_uri, "staging", state)


@pytest.mark.parametrize(
    ("version", "channel", "message"),
    [
        ("c", "staging", r"no version c in .*; `agrivision models list` shows those that are there"),
        ("a", "production", "production in .* is version a already"),
        ("a", "Staging", "a channel is named by lower-case letters, digits, - and _, at most 64, got 'Staging'"),
        ("a", "../up", "a channel is named by"),
        ("a", "", "a channel is named by"),
    ],
)
def test_what_cannot_be_promoted_is_one_line(models_uri, version, channel, message):
    publish(models_uri, "a")
    promote(models_uri, "a", "production")
    with pytest.raises(SettingsError, match=message):
        promote(models_uri, version, channel)


def test_a_card_of_another_version_is_not_promoted(models_uri):
    publish(models_uri, "a")
    content = storage.read_bytes(f"{models_uri}/versions/a/card.json")
    storage.write_bytes(f"{models_uri}/versions/b/card.json", content)
    with pytest.raises(DataError, match="is the card of version a"):
        promote(models_uri, "b", "production")


def test_a_model_of_non_commercial_data_stays_out_of_a_commercial_channel(models_uri):
    publish(models_uri, "free", data_licence="CC-BY-4.0")
    publish(models_uri, "bound", data_licence="CC-BY-NC-4.0")
    assert mark_use(models_uri, "customers", Use.COMMERCIAL) == "customers is for commercial use"
    promote(models_uri, "free", "customers")
    with pytest.raises(SettingsError, match=r"customers is marked commercial, .* version bound .* 'CC-BY-NC-4.0'"):
        promote(models_uri, "bound", "customers")
    assert served(models_uri, "customers")[0] == "free"
    promote(models_uri, "bound", "production")
    with pytest.raises(SettingsError, match="production is marked commercial"):
        mark_use(models_uri, "production", Use.COMMERCIAL)
    mark_use(models_uri, "customers", Use.ANY)
    promote(models_uri, "bound", "customers")
    assert history(models_uri, "customers")[0] == (Action.MARK, None, None)


def test_a_mark_that_meets_another_move_is_set_or_refused(models_uri, monkeypatch):
    publish(models_uri, "a")
    promote(models_uri, "a", "production")
    swap = storage.compare_and_swap

    def after_another(*arguments):
        monkeypatch.undo()
        mark_use(models_uri, "production", Use.ANY, why="by somebody else")
        swap(*arguments)

    monkeypatch.setattr(storage, "compare_and_swap", after_another)
    with pytest.raises(AgrivisionError, match=r"production in .* was changed by somebody else meanwhile; try again"):
        mark_use(models_uri, "production", Use.COMMERCIAL)
    assert mark_use(models_uri, "production", Use.COMMERCIAL) == "production is for commercial use"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-NC-4.0", True),
        ("cc-by-nc-sa-4.0", True),
        ("Non-commercial research only", True),
        ("noncommercial", True),
        ("for research use only", True),
        ("non\u2011commercial", True),
        ("CC_BY_NC_4.0", True),
        ("not for commercial use", True),
        ("no commercial use", True),
        ("academic purposes only", True),
        ("Community Data License, commercial use allowed", False),
        ("CC-BY-4.0", False),
        ("Apache-2.0", False),
        ("ODbL-1.0", False),
        ("Syncopated Licence", False),
        ("", False),
    ],
)
def test_a_licence_that_forbids_commercial_use_is_recognised(licence, expected):
    assert is_non_commercial(licence) is expected
