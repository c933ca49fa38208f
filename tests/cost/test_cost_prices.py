"""Price files: ours, and whatever a user may give instead."""

import datetime
from pathlib import Path

import pytest

from components.cost.prices import LAPTOP, read_prices
from components.errors import SettingsError
from components.train.settings.node_pools import PROFILES

GOOD = """
currency: EUR
date: 2026-01-31
source: our own racks
profiles:
  cpu: {per_hour: 0.5, watts: 200}
"""


def file_of(folder: Path, text: str | bytes) -> str:
    path = folder / "prices.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_our_own_file_has_a_price_of_each_profile_with_its_source() -> None:
    prices = read_prices()
    assert set(prices.profiles) == {LAPTOP, *PROFILES}
    assert prices.currency == "USD"
    assert prices.of(LAPTOP).per_hour == 0.0
    for name, price in prices.profiles.items():
        assert price.watts > 0, name
        assert price.source, name
        assert price.node, name
        assert (price.per_hour > 0) == (name != LAPTOP)
    for name in PROFILES:
        if name.endswith("-spot"):
            assert prices.of(name).per_hour < prices.of(name.removesuffix("-spot")).per_hour


def test_a_guess_is_marked_as_one() -> None:
    unverified = {name for name, price in read_prices().profiles.items() if not price.verified}
    assert unverified == {"gke-gpu-l4-spot", "gke-tpu-v5e", "gke-tpu-v5e-spot"}


def test_a_user_s_file_counts_by_argument_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = file_of(tmp_path, GOOD)
    assert read_prices(place).of("cpu").per_hour == 0.5
    assert read_prices(file_of(tmp_path, GOOD.replace("0.5", "5e-1"))).of("cpu").per_hour == 0.5
    monkeypatch.setenv("AGRIVISION_PRICES", place)
    assert read_prices().currency == "EUR"
    monkeypatch.setenv("AGRIVISION_PRICES", f"file://{place}")
    assert read_prices().source == "our own racks"


def test_prices_of_a_day_to_come_are_warned_of(tmp_path: Path) -> None:
    prices = read_prices(file_of(tmp_path, GOOD))
    assert not prices.warning(datetime.date(2026, 1, 30))  # where the day has not begun
    assert "are of 2026-01-31, which is yet to come; is that a mistake" in prices.warning(datetime.date(2025, 1, 31))


@pytest.mark.parametrize(("days", "warns"), [(0, False), (180, False), (181, True)])
def test_old_prices_are_warned_of(tmp_path: Path, days: int, warns: bool) -> None:
    prices = read_prices(file_of(tmp_path, GOOD))
    warning = prices.warning(datetime.date(2026, 1, 31) + datetime.timedelta(days=days))
    assert bool(warning) == warns
    if warns:
        assert f"are {days} days old; look them up again" in warning
        assert "\n" not in warning


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "expected the keys currency, date"),
        ("[1, 2]", "expected the keys currency, date"),
        ("currency: [", "while parsing"),
        (b"\xff\xfe\x00", "is no price file"),
        ("a: &a [1]\nb: *a\n", "it has aliases"),
        ("currency: EUR\ncurrency: USD\n", "it has 'currency' more than once"),
        (GOOD.replace("cpu:", "cpu: {per_hour: 1}\n  cpu:"), "it has 'cpu' more than once"),
        (GOOD.replace("EUR", "Euros"), "currency"),
        (GOOD.replace("2026-01-31", "yesterday"), "date"),
        (GOOD.replace("0.5", "-1"), r"`float` >= 0"),
        (GOOD.replace("0.5", ".inf"), ".inf is no amount"),
        (GOOD.replace("0.5", ".nan"), ".nan is no amount"),
        (GOOD.replace("0.5", "1e12"), "per_hour"),
        (GOOD.replace("0.5", "cheap"), "Expected `float`"),
        (GOOD.replace("watts", "wats"), "unknown field `wats`"),
        (GOOD.replace("cpu:", '"../x":'), "the name of one file or folder"),
        (GOOD.partition("  cpu")[0] + "  {}\n", "length >= 1"),
        ("[" * 5000, "is no price file"),
        ("#" * 300_000, "more than 262,144 bytes"),
    ],
)
def test_a_file_that_is_no_price_file_is_refused_in_one_line(tmp_path: Path, text: str | bytes, fault: str) -> None:
    place = file_of(tmp_path, text)
    with pytest.raises(SettingsError, match=fault) as refused:
        read_prices(place)
    message = str(refused.value)
    assert message.startswith(repr(place))
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize("place", ["no-such-file.yaml", "."])
def test_a_file_that_cannot_be_read_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=rf"cannot read the prices in '{place}': .*AGRIVISION_PRICES"):
        read_prices(place)


def test_a_profile_without_a_price_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"have no profile 'gke-gpu-l4', only cpu; add a row for it"):
        read_prices(file_of(tmp_path, GOOD)).of("gke-gpu-l4")
