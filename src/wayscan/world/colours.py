"""Colours that words can name, as (red, green, blue) in [0, 1]."""

from collections.abc import Mapping

from wayscan.names import expect_one_of

Colour = tuple[float, float, float]

COLOURS: Mapping[str, Colour] = {
    "black": (0.06, 0.06, 0.07),
    "white": (0.93, 0.93, 0.91),
    "grey": (0.50, 0.50, 0.51),
    "red": (0.78, 0.10, 0.10),
    "orange": (0.95, 0.50, 0.08),
    "yellow": (0.95, 0.82, 0.14),
    "green": (0.12, 0.52, 0.18),
    "cyan": (0.16, 0.70, 0.76),
    "blue": (0.12, 0.24, 0.72),
    "purple": (0.48, 0.16, 0.62),
    "pink": (0.95, 0.52, 0.68),
    "brown": (0.40, 0.24, 0.12),
    "beige": (0.82, 0.73, 0.56),
}
HAIR: Mapping[str, Colour] = {
    "black": (0.05, 0.04, 0.04),
    "brown": (0.26, 0.15, 0.08),
    "blond": (0.85, 0.68, 0.34),
    "red": (0.55, 0.20, 0.08),
    "grey": (0.62, 0.62, 0.62),
}
SKIN: tuple[Colour, ...] = ((0.94, 0.76, 0.65), (0.82, 0.60, 0.45), (0.55, 0.36, 0.25), (0.34, 0.21, 0.15))


def colour(name: str) -> Colour:
    """The colour of a name; an unknown one is told the nearest."""
    return COLOURS[expect_one_of("colour", name, COLOURS)]
