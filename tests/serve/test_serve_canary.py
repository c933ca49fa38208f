"""A canary is promoted or withdrawn for a reason, and neither on too few requests."""

import dataclasses
import json
import math
import re
import shutil

import numpy as np
import pytest
from serving import post, served
from typer.testing import CliRunner

from components.contracts import ServedWindow
from components.dataset.drift.served_sums import added_up
from components.errors import DataError, SettingsError, UnreachableError
from components.registry.channels import read_channel
from components.registry.promotion import promote
from components.serve.canary.acting import act
from components.serve.canary.observed import Observed, observe
from components.serve.canary.settings import CanarySettings
from components.serve.canary.verdict import Outcome, Verdict, judge_canary
from pipeline.cli import app

CLASSES, ON_TEST = ("water", "weeds"), (0.3, 0.1)


def seen(version="old", requests=4000, errors=0, slow=0, water=0.3, red=100, tiles_each=2, test=ON_TEST):
    """What servers answered: of the requests so many took over 0.1 s, and so many tiles were given water."""
    answered = requests - errors
    tiles = answered * tiles_each
    predicted = [round(water * tiles), round(0.1 * tiles)]
    histogram = [0] * 256
    histogram[red] = tiles
    window = ServedWindow(
        version=version, instance="a", since="2026-01-31T12:00:00Z", until="2026-01-31T13:00:00Z",
        manifest_sha256="0" * 64, classes=CLASSES, bands=("red",), num_requests=answered, num_tiles=tiles,
        valid_pixels=tiles, band_histogram=(tuple(histogram),), predicted_tiles=tuple(predicted),
        probability_histogram=tuple((tiles - each, *[0] * 48, each) for each in predicted), test_share=test,
        num_test_tiles=200,
    )  # fmt: skip
    sums = added_up([ServedWindow.checked(window.to_json(), "w")])
    return Observed(
        served=sums, requests=requests, errors=errors,
        within={0.05: int(0.5 * requests), 0.1: requests - slow, 0.2: requests, math.inf: requests},
        tiles=tiles, tile_requests=answered, predicted=sums.predicted_tiles, band_histogram=sums.band_histogram,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stable", "canary", "outcome", "reason"),
    [
        ({}, {}, "promote", "no worse: errors 0.0% → 0.0%"),
        ({"requests": 499}, {}, "undecided", "499 requests are too few; need 500 of each"),
        ({}, {"requests": 499, "errors": 499}, "undecided", "499 requests are too few"),
        ({}, {"errors": 200}, "withdraw", r"worse: errors 0.0% → 5.0% \(\+4"),
        ({}, {"errors": 20}, "promote", "no worse"),  # half a hundredth, which is allowed
        ({}, {"errors": 4000}, "withdraw", "worse: errors 0.0% → 100.0%"),
        ({"errors": 200}, {"errors": 200}, "undecided", "more requests are needed: errors"),
        ({"requests": 40_000, "errors": 2000}, {"requests": 40_000, "errors": 2000}, "promote", "no worse"),
        ({"errors": 200}, {}, "promote", "no worse"),
        ({"slow": 40}, {"slow": 800}, "withdraw", r"worse: requests over 0.1 s 1.0% → 20.0%"),
        ({"slow": 40}, {"slow": 120}, "promote", "no worse"),
        ({"requests": 600, "slow": 6}, {"requests": 600, "slow": 30}, "undecided", "needed: .*requests over 0.1 s"),
        ({}, {"water": 0.6}, "withdraw", "worse: water off test by 0.0% → 30.0%"),
        ({"water": 0.6}, {"water": 0.6}, "promote", "no worse"),  # what comes has shifted
        ({"water": 0.6}, {"water": 0.3}, "promote", "no worse"),
        ({}, {"water": 0.5, "test": (0.5, 0.1)}, "promote", "no worse"),  # as it did on test
        ({}, {"red": 180}, "undecided", "asked about other tiles, with red 1.00 apart"),
        ({"test": (None, None)}, {"water": 0.9}, "promote", "no worse"),
    ],
)  # fmt: skip
def test_the_outcome_follows_from_what_both_answered(stable, canary, outcome, reason):
    found = judge_canary(seen(**stable), seen("new", **canary), CanarySettings())

    assert found.outcome == outcome, found.reason
    assert re.search(reason, found.reason)


def test_a_canary_whose_bands_were_not_counted_yet_is_judged_by_the_rest():
    canary = seen("new", red=180)
    canary = dataclasses.replace(canary, band_histogram=np.zeros_like(canary.band_histogram))

    assert judge_canary(seen(), canary, CanarySettings()).outcome == "promote"


def test_two_that_are_alike_are_hardly_ever_withdrawn_and_a_worse_one_hardly_ever_promoted():
    draw = np.random.default_rng(0)
    outcomes = {0.02: [], 0.06: []}
    for chance, found in outcomes.items():
        for _ in range(300):
            stable = seen(requests=2000, errors=int(draw.binomial(2000, 0.02)))
            canary = seen("new", requests=2000, errors=int(draw.binomial(2000, chance)))
            found.append(judge_canary(stable, canary, CanarySettings()).outcome)

    assert outcomes[0.02].count("withdraw") <= 3
    assert outcomes[0.06].count("promote") == 0


def test_only_what_came_after_the_first_look_counts():
    after = seen(requests=5000, errors=10).since(seen(requests=4000, errors=10))

    assert (after.requests, after.errors, after.tile_requests, after.tiles) == (1000, 0, 1000, 2000)
    assert after.within[math.inf] == 1000
    with pytest.raises(DataError, match="were started anew"):
        seen(requests=10).since(seen())


@pytest.mark.parametrize(
    ("address", "error", "text"),
    [
        ("127.0.0.1:8000", SettingsError, "is no server's address; expected one as http"),
        ("file:///etc/passwd", SettingsError, "is no server's address"),
        ("http://127.0.0.1:1", UnreachableError, "does not answer: .*; is it running"),
    ],
)
def test_an_address_of_nothing_is_named(address, error, text):
    with pytest.raises(error, match=text):
        observe([address], "agrivision")


def verdict(outcome, models):
    return Verdict(
        outcome=Outcome(outcome), reason="because", stable_version=models.first, canary_version=models.second,
        stable_requests=1, canary_requests=1,
    )  # fmt: skip


@pytest.fixture
def registry(models, tmp_path):
    copy = str(shutil.copytree(models.uri, tmp_path / "models"))
    promote(copy, models.second, "canary")
    return copy


def version_in(registry, channel):
    return read_channel(registry, channel)[0].version


def test_a_promotion_moves_the_stable_channel_once_and_says_why(models, registry):
    settings = CanarySettings(models_uri=registry)

    moved = act(verdict("promote", models), settings)

    assert models.second in moved
    assert version_in(registry, "production") == models.second
    assert read_channel(registry, "production")[0].moves[-1].why == "canary: because"
    assert act(verdict("promote", models), settings) == f"production is version {models.second} already"


def test_a_withdrawal_moves_the_canary_to_the_stable_version(models, registry):
    act(verdict("withdraw", models), CanarySettings(models_uri=registry))

    assert version_in(registry, "canary") == version_in(registry, "production") == models.first


def test_nothing_moves_where_nothing_was_decided_or_somebody_moved_the_channel(models, registry):
    assert act(verdict("undecided", models), CanarySettings(models_uri=registry)) == ""
    assert act(verdict("promote", models), CanarySettings()) == ""
    assert version_in(registry, "production") == models.first
    with pytest.raises(SettingsError, match=f"empty in .* is version none, and {models.first} was judged; .*nothing"):
        act(verdict("promote", models), CanarySettings(models_uri=registry, channel="empty"))


@pytest.mark.long
def test_two_servers_are_compared_and_the_channel_moves(models, registry):
    folders = [f"{registry}/versions/{version}" for version in (models.first, models.second)]
    with served(folders[0]) as stable, served(folders[1]) as canary:
        command = ["canary", "--stable", stable.url, "--canary", canary.url, "--min-requests", "100", "--json"]
        few = CliRunner().invoke(app, command)
        for running in (stable, canary):
            with running.client() as client:
                assert {post(client, [models.tiles[n % 24]]).status_code for n in range(120)} == {200}
        lenient = ["--more-errors", "0.2", "--more-slow", "1", "--more-drift", "1", "--models-uri", registry]
        found = CliRunner().invoke(app, [*command, *lenient])
        same = CliRunner().invoke(app, ["canary", "--stable", stable.url, "--canary", stable.url])
        wrong_name = CliRunner().invoke(app, [*command, "--name", "other"])

    assert (few.exit_code, json.loads(few.output)["outcome"]) == (4, "undecided")
    document = json.loads(found.output)
    assert (found.exit_code, document["outcome"]) == (0, "promote"), document["reason"]
    assert (document["stable_requests"], document["canary_requests"]) == (120, 120)
    assert version_in(registry, "production") == models.second
    assert "stable and canary are both version" in str(same.exception)
    assert "answers 404; is it the address of agrivision serve" in str(wrong_name.exception)
