"""Kubernetes quantities, such as "500m" cores or "8Gi" of memory.

Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity, without exponents.
"""

import re
from fractions import Fraction

from components.errors import SettingsError

_QUANTITY = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate(("k", "M", "G", "T"), 1)},
    **{unit: Fraction(1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
}


def check_quantity(name: str, value: str) -> None:
    """Rejects text that is not a quantity above zero.

    Args:
      name: Name of the setting, for the error.

    Raises:
      SettingsError: If it is not; names the setting and gives an example.
    """
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or not _value(value):
        example = '"500m" or "2"' if name.endswith("cpu") else '"8Gi"'
        raise SettingsError(f"{name} must be a Kubernetes quantity such as {example}, got {value!r}")


def in_bytes(value: str) -> int:
    """Converts a quantity of memory to bytes, rounded down."""
    return int(_value(value))


def in_cores(value: str) -> float:
    """Converts a quantity of CPU to cores."""
    return float(_value(value))


def _value(value: str) -> Fraction:
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise SettingsError(f"expected a Kubernetes quantity such as 500m or 8Gi, got {value!r}")
    return Fraction(match["number"]) * _FACTORS[match["unit"] or ""]
