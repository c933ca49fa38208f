"""Reads a price file: what a node costs an hour and how many watts it draws, by node-pool profile.

The project ships one, prices.yaml. A user's own, with other regions, currencies or discounts, is a file or gs:// URI.
"""

import dataclasses
import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from components import environment, storage
from components.contracts.names import PathPart, decoding_fault
from components.errors import SettingsError
from components.printable import printable
from components.storage.hand_written import parse_hand_written, read_hand_written

LAPTOP = "laptop"  # the profile of a run on one machine
SHIPPED_PRICES = Path(__file__).with_name("prices.yaml")
_MOST_DAYS = 180  # after which list prices have usually changed
_NUMBER = msgspec.Meta(ge=0, le=1e9)
_Text = Annotated[str, msgspec.Meta(max_length=500)]


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a price file.

    Attributes:
      per_hour: Price of a whole node with its accelerators, per hour.
      watts: Power that the node draws under load, an estimate.
      node: The machine, for people.
      source: Where the price comes from, if not from where the others do.
      verified: Whether somebody has compared the price with the provider's list.
    """

    per_hour: Annotated[float, _NUMBER]
    watts: Annotated[float, _NUMBER] = 0.0
    node: _Text = ""
    source: _Text = ""
    verified: bool = True


class _PriceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    currency: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
    date: datetime.date
    source: _Text
    region: _Text = ""
    profiles: Annotated[dict[PathPart, Price], msgspec.Meta(min_length=1)]


@dataclasses.dataclass(frozen=True)
class Prices:
    """The prices that a run is charged by.

    Attributes:
      place: Where they were read, for messages.
      currency: Three letters, e.g. "USD".
      date: The day that they were looked up.
      source: Where they come from.
      profiles: A row by name of the profile.
    """

    place: str
    currency: str
    date: datetime.date
    source: str
    profiles: dict[str, Price]

    def of(self, profile: str) -> Price:
        """Returns the row of a profile.

        Raises:
          SettingsError: if there is none.
        """
        try:
            return self.profiles[profile]
        except KeyError:
            raise SettingsError(
                f"the prices in {self.place} have no profile {profile!r}, only {', '.join(self.profiles)}; add a row "
                "for it"
            ) from None

    def warning(self, today: datetime.date | None = None) -> str:
        """Returns what to be warned of, in one line: prices that may not hold; empty if there is nothing."""
        days = ((today or datetime.date.today()) - self.date).days
        if days < -1:  # a day may have begun elsewhere
            return f"the prices in {self.place} are of {self.date}, which is yet to come; is that a mistake in writing?"
        if days <= _MOST_DAYS:
            return ""
        return (
            f"the prices in {self.place} are {days} days old; look them up again, and set AGRIVISION_PRICES to a file "
            "with today's"
        )


def read_prices(place: str = "") -> Prices:
    """Returns the prices in a file.

    Args:
      place: A file or gs:// URI; empty for that of AGRIVISION_PRICES, and without it for the project's own.

    Raises:
      SettingsError: if it cannot be read, or is no price file; says in one line where and why.
      UnreachableError: if a bucket does not answer.
    """
    place = storage.plain_place(place or environment.prices()) or str(SHIPPED_PRICES)
    shown = "this version of the project" if place == str(SHIPPED_PRICES) else repr(place)
    try:
        content = read_hand_written(place)
    except OSError as error:
        raise SettingsError(
            f"cannot read the prices in {shown}: {error.strerror or 'no such object'}; is AGRIVISION_PRICES, or "
            "--prices, the path of a YAML file?"
        ) from error
    try:
        loaded = parse_hand_written(content)
        if not isinstance(loaded, dict):
            raise ValueError("expected the keys currency, date, source and profiles")
        found = msgspec.convert(loaded, _PriceFile)
    except ValueError as error:  # as a ValidationError of msgspec is
        fault = printable(" ".join(decoding_fault(error).split()))[:300]
        raise SettingsError(f"{shown} is no price file: {fault}; docs/cost.md shows one") from error
    return Prices(shown, found.currency, found.date, found.source, found.profiles)
