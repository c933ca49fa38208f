"""A time in a document is one that there is, so that whoever calculates with it need not ask."""

import calendar

import msgspec
import pytest

from components.contracts.names import UtcTime
from pipeline.retrain.triggers import moment_of, utc_time


@pytest.mark.parametrize("year", [1000, 1600, 1900, 1970, 2000, 2023, 2024, 2096, 2100, 2400, 2999])
def test_each_day_of_a_year_is_taken_and_no_other(year: int) -> None:
    for month in range(14):
        last = calendar.monthrange(year, month)[1] if 1 <= month <= 12 else 0
        for day in range(33):
            text = f"{year}-{month:02}-{day:02}T23:59:59Z"
            if 1 <= day <= last:
                assert utc_time(moment_of(msgspec.convert(text, UtcTime))) == text
            else:
                with pytest.raises(msgspec.ValidationError, match="matching regex"):
                    msgspec.convert(text, UtcTime)


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",  # nothing could be added to it
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00Z\n",
        "2026-01-01 00:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="matching regex"):
        msgspec.convert(text, UtcTime)
