"""The pointer to production: who wins a race, and the way back."""

import subprocess
import sys
from pathlib import Path

import pytest
from model_cards import card_of, served

from components import storage
from components.contracts import Channel
from components.errors import AgrivisionError, DataError, SettingsError
from components.registry import move_production, read_production, require_production, rollback, version_uri

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models_uri(tmp_path):
    return str(tmp_path / "models")


def publish(models_uri, *versions):
    """Puts versions into production, one after the other."""
    for version in versions:
        storage.write_bytes(storage.join(version_uri(models_uri, version), "card.json"), card_of(version).to_json())
        move_production(models_uri, version, *read_production(models_uri))


def test_rollback_goes_back_one_version_at_a_time(models_uri):
    publish(models_uri, "a", "b", "c")
    assert rollback(models_uri) == "production is now b, before it was c"
    assert served(models_uri) == ("b", "a", ())
    rollback(models_uri)
    assert served(models_uri) == ("a", None, ())
    with pytest.raises(SettingsError, match=r"no version was in production in .* before a"):
        rollback(models_uri)


def test_a_push_after_a_rollback_can_be_rolled_back_to_what_served_before(models_uri):
    publish(models_uri, "a", "b")
    rollback(models_uri)
    publish(models_uri, "c")
    rollback(models_uri)
    assert read_production(models_uri)[0].version == "a"


def test_rollback_of_nothing_is_refused(models_uri):
    with pytest.raises(SettingsError, match=r"nothing is in production in .*models"):
        rollback(models_uri)


def test_rollback_to_a_version_that_was_removed_leaves_production_alone(models_uri):
    publish(models_uri, "a", "b")
    Path(version_uri(models_uri, "a"), "card.json").unlink()
    with pytest.raises(DataError, match=r"version a is no longer in .*; production stays at b"):
        rollback(models_uri)
    assert read_production(models_uri)[0].version == "b"


def test_a_pointer_that_cannot_be_read_is_named_with_the_way_out(models_uri):
    storage.write_bytes(f"{models_uri}/production.json", b"{")
    with pytest.raises(DataError, match=r"production.json is not a channel .*; restore it, or remove it"):
        read_production(models_uri)


@pytest.mark.hostile
@pytest.mark.parametrize("version", ["../../elsewhere", "/elsewhere", "a/b", "..", "", "a\x1b[2J"])
@pytest.mark.parametrize("field", ["version", "previous", "earlier"])
def test_a_pointer_leads_only_to_a_folder_below_versions(models_uri, version, field):
    told = Channel(**{"version": "a", field: (version,) if field == "earlier" else version})
    storage.write_bytes(f"{models_uri}/production.json", told.to_json())
    with pytest.raises(DataError, match=rf"Expected the name of one file or folder - at `\$\.{field}") as raised:
        read_production(models_uri)
    assert str(raised.value).isprintable()


def test_the_loser_of_a_race_is_told_who_won(models_uri):
    publish(models_uri, "a")
    seen = read_production(models_uri)
    publish(models_uri, "b")
    with pytest.raises(AgrivisionError, match=r"another push won: production in .* is now b, but .* against a"):
        move_production(models_uri, "c", *seen)
    assert served(models_uri) == ("b", "a", ())


def test_a_twin_that_pushed_the_same_version_is_no_loser(models_uri):
    publish(models_uri, "a")
    seen = read_production(models_uri)
    publish(models_uri, "b")
    move_production(models_uri, "b", *seen)
    assert served(models_uri) == ("b", "a", ())


@pytest.mark.parametrize(
    ("evaluated_against", "current", "message"),
    [
        ("a", "b", "is now b, but .* against a"),
        (None, "b", "is now b, but .* against none"),
        ("a", None, "is now empty"),
    ],
)
def test_an_evaluation_against_another_production_model_is_stale(models_uri, evaluated_against, current, message):
    production = Channel(version=current) if current else None
    with pytest.raises(AgrivisionError, match=message):
        require_production(models_uri, evaluated_against, production)
    require_production(models_uri, current, production)


# Both processes look, wait for the other to have looked, and then move.
RACER = """
import sys
from components.errors import AgrivisionError
from components.registry import move_production, read_production
models_uri, name = sys.argv[1:]
for number in range(50):
    print("ready", flush=True)
    sys.stdin.readline()
    seen = read_production(models_uri)
    print("looked", flush=True)
    sys.stdin.readline()
    try:
        move_production(models_uri, f"{name}{number}", *seen)
        print("won", flush=True)
    except AgrivisionError as error:
        print(error, flush=True)
"""


def test_of_two_processes_that_push_at_once_one_wins_and_the_other_is_told(models_uri):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, models_uri, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for name in ("first", "second")
    ]

    def heard():
        return [racer.stdout.readline().strip() for racer in racers]

    def go():
        for racer in racers:
            racer.stdin.write("\n")
            racer.stdin.flush()

    try:
        for number in range(50):
            assert heard() == ["ready", "ready"]
            go()
            assert heard() == ["looked", "looked"]
            go()
            results = heard()
            assert results.count("won") == 1, results
            winner = f"{('first', 'second')[results.index('won')]}{number}"
            assert read_production(models_uri)[0].version == winner
            (told,) = [result for result in results if result != "won"]
            assert told.startswith(f"another push won: production in {models_uri!r} is now {winner}, but")
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
