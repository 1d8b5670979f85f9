"""The rules of following, on traces made by hand."""

import numpy as np
import pytest

from wayscan.world.following.rules import Outcome, Rules, is_following, judge, scores, status_of

RULES = Rules()
SEEN = 0.03


def test_following_needs_nearness_and_a_mask_between_the_bounds():
    distances = [2.9, 3.0, 3.1, 2.0, 2.0, 0.4]
    masks = [SEEN, SEEN, SEEN, 0.0, RULES.min_mask, 0.31]
    assert is_following(distances, masks, RULES).tolist() == [True, True, False, False, True, False]


@pytest.mark.parametrize(
    ("status", "last", "mask", "success"),
    [
        ("arrived", 1.8, SEEN, True),
        ("arrived", 0.9, SEEN, False),  # too near to end before the last step
        ("time", 0.9, SEEN, True),  # but near enough at the last
        ("arrived", 3.1, SEEN, False),
        ("time", 2.0, 0.001, False),
        ("collision", 1.5, SEEN, False),  # with somebody else
        ("lost", 4.5, SEEN, False),
    ],
)
def test_success(status, last, mask, success):
    outcome = judge(status, [2.0, 2.0, last], [SEEN, SEEN, mask], RULES)
    assert outcome.success is success
    assert outcome.steps == 3


def test_lost_after_more_than_twenty_steps_in_a_row():
    far = [2.0] * 5 + [4.1] * 20
    assert status_of(far, False, False, RULES) == "running"
    assert status_of([*far, 4.1], False, False, RULES) == "lost"
    assert status_of([*far[:-3], 3.9, 4.1, 4.1, 4.1], False, False, RULES) == "running"


def test_what_ends_an_episode():
    assert status_of([2.0] * 299, False, False, RULES) == "running"
    assert status_of([2.0] * 300, False, False, RULES) == "time"
    assert status_of([2.0, 0.49], False, True, RULES) == "collision"
    assert status_of([2.0], True, True, RULES) == "collision"
    assert status_of([2.0], False, True, RULES) == "arrived"


def test_scores_are_shares_of_episodes_and_of_steps():
    outcomes = [Outcome("time", True, 300, 300), Outcome("collision", False, 50, 100)]
    assert scores(outcomes) == {"sr": 0.5, "tr": 350 / 400, "cr": 0.5}
    with pytest.raises(ValueError, match="at least one episode"):
        scores([])
    with pytest.raises(ValueError, match="expected as many"):
        judge("time", [2.0], [SEEN, SEEN])


def test_the_least_mask_is_that_of_a_visible_person_at_three_metres():
    assert RULES.min_mask == pytest.approx(0.0073, abs=1e-4)
    assert np.isclose(RULES.max_mask, 0.3)
