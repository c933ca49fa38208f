"""Points that fill a unit cube evenly, however many are drawn: a Sobol sequence, shifted by a seed.

After 2^m points, each half, quarter, ... of every axis has had equally many, which independent draws achieve only on
average. More points only add to those before, so a sweep of more trials repeats none. In pure Python, because the
points must be the same on every machine and with every version of a library.
"""

import hashlib

# Primitive polynomials and initial direction numbers of Joe and Kuo (2008), "Constructing Sobol sequences with better
# two-dimensional projections", file new-joe-kuo-6.21201: for each dimension after the first, (degree, coefficients as
# bits, initial numbers).
_DIRECTIONS = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
)
MOST_DIMENSIONS = len(_DIRECTIONS) + 1
_BITS = 30


def sobol_point(index: int, axes: tuple[str, ...], seed: int) -> list[float]:
    """Returns a point of the sequence, one number in [0, 1) for each axis.

    Args:
      index: From 0.
      axes: Their names, at most MOST_DIMENSIONS; the shift of an axis follows from seed and name.
      seed: Any whole number.
    """
    return [
        (raw_sobol(index, dimension) ^ _shift(seed, axis)) / 2**_BITS for dimension, axis in enumerate(axes)
    ]  # exclusive or keeps the shares of halves, quarters, ... as they are


def raw_sobol(index: int, dimension: int) -> int:
    """Returns a coordinate without shift, in units of 2^-30; index and dimension count from 0."""
    numbers = _direction_numbers(dimension)
    gray, value = index ^ (index >> 1), 0  # consecutive indices differ in one bit of the Gray code
    for bit in range(index.bit_length()):
        if gray >> bit & 1:
            value ^= numbers[bit]
    return value


def _direction_numbers(dimension: int) -> list[int]:
    if dimension == 0:
        return [1 << (_BITS - 1 - bit) for bit in range(_BITS)]
    degree, coefficients, initial = _DIRECTIONS[dimension - 1]
    numbers = [number << (_BITS - 1 - bit) for bit, number in enumerate(initial)]
    for bit in range(degree, _BITS):
        value = numbers[bit - degree] ^ (numbers[bit - degree] >> degree)
        for term in range(1, degree):
            if coefficients >> (degree - 1 - term) & 1:
                value ^= numbers[bit - term]
        numbers.append(value)
    return numbers


def _shift(seed: int, axis: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {axis}".encode()).digest()[:4]) >> (32 - _BITS)
