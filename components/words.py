"""How reports and log lines call what they count: tiles of fields, or images; and sizes in readable units."""

import math

from components.agrivision import CLASS_FOLDERS


class Number(str):
    """A number as text, which a table aligns like other numbers."""

    __slots__ = ()


NOTHING = Number("–")  # stands where nothing was judged or measured; a zero would be a result


def unit(layout: str) -> str:
    """Returns what one example of a layout is called: class folders hold images of any kind, not tiles of fields."""
    return "image" if layout == CLASS_FOLDERS else "tile"


def number_of(count: int, one: str, several: str = "") -> str:
    """Returns e.g. "1 picture is" or "1,204 pictures are"; `several` is `one` with an s unless it is given."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def counted(num_tiles: int, num_fields: int, layout: str) -> str:
    """Returns e.g. "600 tiles of 88 fields", or "84 images" where each is its own field."""
    text = number_of(num_tiles, unit(layout))
    if has_fields(num_tiles, num_fields, layout):
        text += f" of {number_of(num_fields, 'field')}"
    return text


def has_fields(num_tiles: int, num_fields: int, layout: str) -> bool:
    """Returns whether fields say anything about a dataset: not where each image is its own."""
    return layout != CLASS_FOLDERS or num_fields < num_tiles


def origin(split_origin: str, num_tiles: int, num_fields: int, layout: str) -> str:
    """Returns how a split was made; where each image is its own field, "by image" instead of "by field"."""
    return split_origin if has_fields(num_tiles, num_fields, layout) else split_origin.replace("by field", "by image")


def as_size(num_bytes: int) -> str:
    """Returns a size in the unit that leaves one to three digits before the point, e.g. "46.0 kB"."""
    for name, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if num_bytes >= one:
            return f"{num_bytes / one:,.1f} {name}"
    return f"{num_bytes} bytes"


def as_score(value: float, is_judged: bool = True) -> Number:
    """Returns a score with three decimals, or a dash if there was nothing to judge it by."""
    return Number(f"{value:.3f}") if is_judged else NOTHING


def as_duration(seconds: float) -> str:
    """Returns a time such as "43 s", "85 min" or "49.3 h"."""
    if seconds < 600:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def as_money(amount: float, currency: str) -> str:
    """Returns an amount such as "12.30 USD"; with two digits that count below a tenth, e.g. "0.0031 USD"."""
    if not amount:
        return f"0 {currency}"
    places = 2 if amount >= 0.1 else min(1 - math.floor(math.log10(amount)), 9)
    return f"{amount:,.{places}f} {currency}"


def as_energy(kwh: float) -> str:
    """Returns an energy such as "some 1.2 kWh (estimate)" or "some 3 Wh (estimate)"."""
    text = f"{kwh:,.1f} kWh" if kwh >= 1 else f"{1000 * kwh:,.1f} Wh" if kwh < 0.01 else f"{1000 * kwh:,.0f} Wh"
    return f"some {text} (estimate)"
