"""Unknown names are told what was expected, and the nearest."""

import pytest

from wayscan.names import SHOWN, expect_one_of, near_names, nearest


def test_a_name_that_is_there_comes_back():
    assert expect_one_of("colour", "red", {"red": 1, "green": 2}) == "red"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("gren", "colour is 'gren'; expected one of red, green, 3; did you mean green?"),
        ("GREEN", "colour is 'GREEN'; expected one of red, green, 3; did you mean green?"),
        (None, "colour is None; expected one of red, green, 3"),
        (["red"], "colour is ['red']; expected one of red, green, 3; did you mean red?"),
    ],
)
def test_an_unknown_one_is_told_all_and_the_nearest(given, words):
    with pytest.raises(ValueError, match="colour is") as error:
        expect_one_of("colour", given, ("red", "green", 3))
    assert str(error.value) == words


def test_many_are_told_the_nearest_or_some():
    names = [f"name {number}" for number in range(SHOWN + 4)]
    assert near_names("Name 1", names)[0] == "name 1"
    assert nearest("name1", ["name 1", "name 2"]) == "did you mean name 1 or name 2?"
    assert nearest("zzz", names).endswith(f", name {SHOWN - 1} and 4 more")
    assert nearest("zzz", {}) == "there are none"
