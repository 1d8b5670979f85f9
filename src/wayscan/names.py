"""Names that nobody knows: the words in which an error says which were expected, and which may be meant."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import TypeVar, cast

Name = TypeVar("Name")

SHOWN = 16  # names that a message lists; of more it says how many


def expect_one_of(what: str, given: object, names: Collection[Name]) -> Name:
    """`given` if it is one of `names`; otherwise an error that lists them and asks for the nearest.

    >>> expect_one_of("colour", "red", ("red", "green"))
    'red'
    >>> expect_one_of("colour", "gren", ("red", "green"))
    Traceback (most recent call last):
    ValueError: colour is 'gren'; expected one of red, green; did you mean green?
    """
    if given in names:
        return cast(Name, given)
    raise ValueError("; ".join((f"{what} is {given!r}", _listed(names), *_question(given, names))))


def nearest(given: object, names: Collection[object]) -> str:
    """How a message about an unknown name ends, where there are many names: with the nearest, if any is near.

    >>> nearest("Gren", ("red", "green")), nearest("7", ("red", "green"))
    ('did you mean green?', 'expected one of red, green')
    """
    return "".join(_question(given, names)) or _listed(names)


def near_names(given: object, names: Iterable[object]) -> list[str]:
    """At most three, the nearest first; capitals do not count."""
    plain = {str(name).lower(): str(name) for name in names}
    return [plain[name] for name in get_close_matches(str(given).lower(), plain)]


def _question(given: object, names: Iterable[object]) -> list[str]:
    near = near_names(given, names)
    return [f"did you mean {' or '.join(near)}?"] if near else []


def _listed(names: Collection[object]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"expected one of {', '.join(map(str, [*names][:SHOWN]))}{more}" if names else "there are none"
