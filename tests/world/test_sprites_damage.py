"""Damage: none by default, each kind does its work, all of it is seeded."""

from dataclasses import replace

import numpy as np
import pytest

from wayscan.world.sprites.damage import Damage, apply_damage, draw_damage, vary_damage
from wayscan.world.sprites.textures import dead_leaves

PICTURE = dead_leaves(np.random.default_rng(0), 60, 80)


def test_no_damage_changes_nothing():
    np.testing.assert_array_equal(apply_damage(PICTURE, Damage()), PICTURE)


@pytest.mark.parametrize(
    "change",
    [
        {"motion": (5.0, 2.0)},
        {"defocus": 1.0},
        {"shrink": 2.0},
        {"gain": (0.7, 0.8, 0.9)},
        {"gamma": 1.4},
        {"lift": 8.0},
        {"slope": (0.3, -0.2)},
        {"noise": 6.0},
        {"jpeg": 30},
        {"grey": True},
    ],
)
def test_each_kind_damages(change):
    damaged = apply_damage(PICTURE, Damage(**change))
    assert damaged.shape == PICTURE.shape
    assert damaged.dtype == np.uint8
    assert (damaged != PICTURE).any()
    assert np.abs(damaged.astype(int) - PICTURE).mean() < 80


def test_grey_is_grey_and_noise_has_its_strength():
    grey = apply_damage(PICTURE, Damage(grey=True))
    assert (grey[..., 0] == grey[..., 2]).all()
    flat = np.full((64, 64, 3), 128, dtype=np.uint8)
    assert apply_damage(flat, Damage(noise=6.0)).std() == pytest.approx(6, rel=0.1)
    large = np.full((700, 1100, 3), 128, dtype=np.uint8)
    assert apply_damage(large, Damage(noise=6.0, noise_start=(511, 511))).std() == pytest.approx(6, rel=0.1)


def test_damage_is_seeded_and_a_camera_keeps_its_character():
    first, again = (draw_damage(np.random.default_rng(4)) for _ in range(2))
    assert first == again
    moment = vary_damage(first, np.random.default_rng(5))
    assert moment == vary_damage(first, np.random.default_rng(5))
    same = {"gain": first.gain, "gamma": first.gamma, "lift": first.lift, "motion": first.motion}
    assert replace(moment, slope=first.slope, noise_start=first.noise_start, **same) == first
