"""How numbers are written in Spanish."""


def spanish_number(value: float, digits: str = "g") -> str:
    """Returns a number with a decimal comma, and a point between thousands if `digits` asks for a separator."""
    return f"{value:{digits}}".translate(str.maketrans(".,", ",."))
