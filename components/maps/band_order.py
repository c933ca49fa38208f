"""Which bands of a raster are red, green, blue and near infrared: as the user says, or the file, if it is clear."""

from collections.abc import Sequence

from components.errors import SettingsError

LETTERS = "rgbn"
_NAMES = {"r": "red", "g": "green", "b": "blue", "n": "nir"}
_NIR_NAMES = ("nir", "undefined", "gray")  # GDAL calls a fourth band so if nobody has told it more
MAX_BANDS = 64
_MOST_DIGITS = 9  # Python refuses to read thousands of them; a cut number is still beyond MAX_BANDS


def band_indexes(given: str, colours: Sequence[str], needed: int, source: str) -> tuple[int, ...]:
    """Returns the numbers of the bands, from 1 on, in the order red, green, blue and, if needed, near infrared.

    Args:
      given: What the user said: a letter for each band of the file, e.g. "nrgb", or the number of each band that is
        needed, e.g. "3,2,1,4". Empty to go by `colours`.
      colours: What the file calls its bands, as GDAL does in lower case.
      needed: 3 or 4.
      source: Where the file is, for errors.

    Raises:
      SettingsError: if the bands are not given and not clear, or what is given does not fit the file.
    """
    wanted = LETTERS[:needed]
    names = ", ".join(_NAMES[letter] for letter in wanted)
    if not given:
        return _by_colours(colours, wanted, names, source)
    text = given.lower().replace(" ", "")
    digits = text.replace(",", "")
    if digits.isascii() and digits.isdigit():  # of other scripts, some digits are no numbers to int()
        numbers = tuple(int(number[:_MOST_DIGITS]) for number in text.split(",") if number)
        if (
            len(numbers) < needed
            or len({*numbers}) < len(numbers)
            or not all(1 <= number <= len(colours) for number in numbers)
        ):
            raise SettingsError(
                f"--bands must be the numbers of {names}, each in 1..{len(colours)} and once, got {given!r}"
            )
        return numbers[:needed]
    letters = text.replace(",", "")
    if any(letters.count(letter) != 1 for letter in wanted) or len(letters) > len(colours):
        raise SettingsError(
            f"--bands must have one letter for each band of {source!r}, which has {len(colours)}, with each of "
            f"{', '.join(f'{letter} ({_NAMES[letter]})' for letter in wanted)} once, got {given!r}; "
            "for a band that is not used, any other letter, e.g. rgbnx"
        )
    return tuple(letters.index(letter) + 1 for letter in wanted)


def _by_colours(colours: Sequence[str], wanted: str, names: str, source: str) -> tuple[int, ...]:
    found = [[place for place, colour in enumerate(colours, 1) if colour == _NAMES[letter]] for letter in wanted[:3]]
    if len(wanted) > 3:
        near = [place for place, colour in enumerate(colours, 1) if colour == "nir"]
        found.append(near or [place for place, colour in enumerate(colours, 1) if colour in _NIR_NAMES])
    if any(len(places) != 1 for places in found):
        said = ", ".join(colours[:MAX_BANDS])
        raise SettingsError(
            f"which bands of {source!r} are {names} is not clear: it calls them {said}; give --bands, e.g. "
            f"--bands {wanted} or --bands {','.join(str(place) for place in range(1, len(wanted) + 1))}"
        )
    return tuple(places[0] for places in found)
