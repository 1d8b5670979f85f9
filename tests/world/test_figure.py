"""People: their feet stay where they stand, their legs keep their length, words fit their clothes."""

import numpy as np
import pytest

from wayscan.world.actors import figure
from wayscan.world.actors.figure import (
    PARTS,
    Outfit,
    phase_advance,
    stride,
    walker_solids,
    walkers_solids,
)
from wayscan.world.cameras import Camera
from wayscan.world.render import render
from wayscan.world.scene import Scene, Shape, check_solids

SHINS, FEET = slice(12, 14), slice(14, 16)


def walk(speed, height=1.75, steps=60, dt=0.02):
    """Solids (steps, PARTS) of a walk along x."""
    phases = 0.3 + np.arange(steps) * phase_advance(speed, height, dt)
    outfit = Outfit(height=height)
    return np.stack(
        [walker_solids(outfit, k * dt * speed, 0, 0, phase, speed, 7) for k, phase in enumerate(phases)]
    )


@pytest.mark.parametrize("speed", [0.4, 0.9, 1.4])
def test_a_foot_on_the_ground_does_not_slide(speed):
    ankles = walk(speed)["b"][:, SHINS].astype(float)
    moved = np.abs(np.diff(ankles[..., 0], axis=0))
    on_ground = np.abs(ankles[..., 2] - ankles[..., 2].min()) < 1e-4
    both = on_ground[1:] & on_ground[:-1]
    assert both.any(axis=1).mean() > 0.9
    assert moved[both].max() < 1e-4
    assert moved[~on_ground[1:]].max() > 0.02 * speed


@pytest.mark.parametrize("speed", [0.0, 0.2, 1.0, 1.6, 3.0])
def test_legs_keep_their_length_and_nothing_is_below_ground(speed):
    table = walk(speed).reshape(-1)
    check_solids(table)
    rods = table[table["shape"] == Shape.CAPSULE]
    assert (np.minimum(rods["a"][:, 2], rods["b"][:, 2]) - rods["radius"]).min() > -0.01
    legs = table.reshape(-1, PARTS)[:, 10:14]
    lengths = np.linalg.norm(legs["a"].astype(float) - legs["b"], axis=-1)
    np.testing.assert_allclose(lengths[:, :2], figure.THIGH * 1.75, rtol=1e-3)
    np.testing.assert_allclose(lengths[:, 2:], figure.SHIN * 1.75, rtol=2e-2)


def test_a_gait_repeats_after_one_stride_and_its_sides_mirror():
    outfit, speed = Outfit(), 1.2
    one = walker_solids(outfit, 0, 0, 0, 0.7, speed, 0)
    again = walker_solids(outfit, 0, 0, 0, 0.7 + 2 * np.pi, speed, 0)
    np.testing.assert_allclose(one["a"], again["a"], atol=1e-5)
    half = walker_solids(outfit, 0, 0, 0, 0.7 + np.pi, speed, 0)
    mirrored = half["a"][[10, 12, 14]] * np.array([1, -1, 1])
    np.testing.assert_allclose(one["a"][[11, 13, 15]], mirrored, atol=1e-5)
    assert phase_advance(speed, 1.75, stride(speed, 1.75) / speed) == pytest.approx(2 * np.pi)


def test_who_stands_stands_still_upright():
    one = walker_solids(Outfit(height=1.8), 2, 3, 1.0, 0.0, 0.0, 0)
    other = walker_solids(Outfit(height=1.8), 2, 3, 1.0, 2.0, 0.0, 0)
    np.testing.assert_array_equal(one["a"], other["a"])
    top = one[5]["a"][2] + one[5]["b"][2]
    assert top == pytest.approx(1.8, abs=0.03)
    np.testing.assert_allclose(one["a"][:, :2].mean(axis=0), [2, 3], atol=0.1)


def test_many_walkers_are_each_of_them():
    rng = np.random.default_rng(0)
    outfits = [Outfit.draw(rng) for _ in range(5)]
    poses, phases, speeds = rng.normal(size=(5, 3)), rng.uniform(0, 6, 5), rng.uniform(0, 1.5, 5)
    many = walkers_solids(outfits, poses, phases, speeds, np.arange(5)).reshape(5, PARTS)
    for k, outfit in enumerate(outfits):
        one = walker_solids(outfit, *poses[k], phases[k], speeds[k], k)
        for name in one.dtype.names:
            np.testing.assert_array_equal(many[k][name], one[name])
    assert len(walkers_solids([], np.zeros((0, 3)), [], [], [])) == 0


def test_a_walker_is_seen_in_its_colours():
    outfit = Outfit(shirt="red", trousers="green")
    scene = Scene(solids=walker_solids(outfit, 2.0, 0, 0.4, 1.0, 1.0, 3))
    frame = render(scene, Camera(width=128, height=128, position=(0, 0, 1.0)))
    rows = np.nonzero((frame.ids == 3).any(axis=1))[0]
    seen = frame.image[frame.ids == 3].astype(int)
    assert 0.02 < (frame.ids == 3).mean() < 0.06
    assert 45 < np.ptp(rows) < 75
    assert (seen[:, 0] > 2 * seen[:, 1:].max(axis=1)).mean() > 0.1
    assert (seen[:, 1] > 2 * seen[:, [0, 2]].max(axis=1)).mean() > 0.1


def test_words_name_what_is_asked_and_vary():
    outfit = Outfit(shirt="orange", trousers="grey", hair="blond")
    assert outfit.words() == "wearing an orange shirt and grey trousers, with blond hair"
    rng = np.random.default_rng(0)
    said = {outfit.words(("shirt", "hair"), rng) for _ in range(100)}
    assert len(said) > 15
    assert all("orange" in text and "blond" in text and "grey" not in text for text in said)
    with pytest.raises(ValueError, match="expected some of shirt, trousers, hair"):
        outfit.words(["hat"])
    with pytest.raises(ValueError, match="did you mean purple"):
        Outfit(shirt="purpel")
