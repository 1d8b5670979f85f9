"""Recordings of following: by (seed, index), complete, and readable as OpenTrackVLA's."""

import numpy as np
import pytest

from wayscan.data.formats.trackvla import read_episodes, write_episodes
from wayscan.world.following.pursuit import DT, LIMITS
from wayscan.world.following.rules import Rules
from wayscan.world.following.tasks import SPLITS, FollowSpec
from wayscan.world.follows import FollowsSpec, make_follow, stream_follows

SPEC = FollowsSpec(perturbed=1.0, follow=FollowSpec(width=48, height=48, rules=Rules(steps=60)))


@pytest.fixture(scope="module")
def episodes():
    return list(stream_follows(7, 3, SPEC))


def test_an_episode_is_a_function_of_seed_and_index(episodes):
    again = make_follow(7, 1, SPEC)
    np.testing.assert_array_equal(again.videos["front"], episodes[1].videos["front"])
    np.testing.assert_array_equal(again.actions, episodes[1].actions)
    assert again.text == episodes[1].text
    assert (make_follow(8, 1, SPEC).poses[0] != episodes[1].poses[0]).any()


def test_splits_take_turns(episodes):
    assert [episode.facts["split"] for episode in episodes] == list(SPLITS)
    assert [len(episode.tracks) for episode in episodes] == [1, *(len(e.tracks) for e in episodes[1:])]
    assert all(len(episode.tracks) >= 4 for episode in episodes[1:])


def test_facts_agree_with_the_record(episodes):
    for episode in episodes:
        facts = episode.facts
        assert episode.synthetic
        assert len(episode) == facts["total_step"] == len(episode.videos["front"])
        gaps = np.linalg.norm(episode.tracks["target"][:, :2] - episode.poses[:, :2], axis=1)
        np.testing.assert_allclose(facts["dis_to_human"], gaps)
        assert (facts["dis_to_human"][facts["following"]] <= 3.0).all()
        assert facts["following"].mean() > 0.5
        assert set(np.unique(facts["facing"])) <= {0.0, 1.0}


def test_poses_follow_from_what_was_executed(episodes):
    for episode in episodes:
        moved = np.diff(episode.poses, axis=0)
        assert (np.abs(episode.actions) <= LIMITS + 1e-9).all()
        assert np.abs(moved[:, 2]).max() <= LIMITS[2] * DT + 1e-9
        assert np.linalg.norm(moved[:, :2], axis=1).max() <= np.hypot(*LIMITS[:2]) * DT + 1e-9
        pushed = episode.facts["perturbed"]
        differs = (episode.facts["executed"] != episode.actions).any(axis=1)
        assert differs.any()
        assert not differs[~pushed].any()


def test_without_pushes_the_expert_alone_drives():
    episode = make_follow(7, 0, FollowsSpec(perturbed=0.0, follow=SPEC.follow))
    np.testing.assert_array_equal(episode.facts["executed"], episode.actions)
    assert not episode.facts["perturbed"].any()


def test_episodes_are_written_and_read_as_opentrackvla(episodes, tmp_path):
    assert write_episodes(episodes[:2], tmp_path) == 2
    again = {episode.name: episode for episode in read_episodes(tmp_path)}
    for episode in episodes[:2]:
        back = again[episode.name]
        assert back.text == episode.text
        np.testing.assert_allclose(back.poses, episode.poses, atol=1e-9)
        np.testing.assert_allclose(back.actions, episode.actions, atol=1e-9)
        np.testing.assert_allclose(back.facts["dis_to_human"], episode.facts["dis_to_human"], atol=1e-9)
        assert back.facts["success"] == episode.facts["success"]
        assert np.abs(back.videos["front"][20].astype(int) - episode.videos["front"][20]).mean() < 12
    assert (tmp_path / "single" / "seed_7").is_dir()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="did you mean single"):
        FollowsSpec(split="singel")
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        FollowsSpec(perturbed=2)
