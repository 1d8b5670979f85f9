"""Faults of images: each does what it says, by chance of its own, and none is on by default."""

import numpy as np
import pytest

from wayscan.world.faults import Faults, ImageFaults

FAR = 20.0


def streams(faults, count=1, seed=0):
    images = ImageFaults(faults, count, FAR)
    for k in range(count):
        images.reset(k, np.random.default_rng(seed + k))
    return images


def flat(value, count=1, side=32):
    return np.full((count, side, side), value, dtype=np.float32)


def test_nothing_goes_wrong_by_default():
    image = np.random.default_rng(0).uniform(0, FAR, (2, 8, 8)).astype(np.float32)
    seen = streams(Faults(), 2).apply(image)
    np.testing.assert_array_equal(seen, image)
    assert seen is not image


def test_noise_grows_with_the_square_of_the_range():
    faults = streams(Faults(noise=0.01))
    near, distant = (np.std(faults.apply(flat(depth, side=128))) for depth in (2.0, 8.0))
    assert near == pytest.approx(0.04, rel=0.05)
    assert distant == pytest.approx(0.64, rel=0.05)
    np.testing.assert_array_equal(faults.apply(flat(FAR)), flat(FAR))


def test_grain_is_the_same_everywhere():
    assert np.std(streams(Faults(grain=0.1)).apply(flat(5.0, side=128))) == pytest.approx(0.1, rel=0.05)


def test_blur_keeps_the_mean_and_softens_an_edge():
    image = flat(2.0)
    image[:, :, 16:] = 10.0
    seen = streams(Faults(blur=1.5)).apply(image)
    assert seen.mean() == pytest.approx(image.mean(), rel=1e-3)
    assert np.abs(np.diff(seen[0, 16])).max() < 3.0


def test_holes_read_as_nothing_there():
    faults = streams(Faults(holes=3, hole_size=0.3))
    shares = [(faults.apply(flat(5.0)) == FAR).mean() for _ in range(100)]
    assert 0.02 < np.mean(shares) < 0.3
    assert set(np.unique(faults.apply(flat(5.0)))) <= {5.0, FAR}


def test_latency_delays_by_whole_frames_and_starts_with_the_first():
    faults = streams(Faults(latency=2))
    seen = [faults.apply(flat(float(k)))[0, 0, 0] for k in range(6)]
    assert seen == [0, 0, 0, 1, 2, 3]
    faults.reset(0, np.random.default_rng(1))
    assert faults.apply(flat(9.0))[0, 0, 0] == 9


def test_a_lost_frame_shows_the_one_before():
    faults = streams(Faults(dropout=0.4))
    seen = [int(faults.apply(flat(float(k)))[0, 0, 0]) for k in range(200)]
    repeated = np.diff(seen) == 0
    assert 0.3 < repeated.mean() < 0.5
    assert all(value in (k, seen[k - 1]) for k, value in enumerate(seen) if k)


def test_a_blackout_shows_nothing():
    faults = streams(Faults(blackout=0.3))
    dark = [bool((faults.apply(flat(3.0)) == FAR).all()) for _ in range(200)]
    assert 0.2 < np.mean(dark) < 0.4


def test_chances_are_seeded_and_streams_independent_of_their_company():
    faults = Faults(noise=0.02, holes=1, dropout=0.2, latency=1, blur=0.7)
    together, alone = streams(faults, 3, seed=5), streams(faults, 1, seed=6)
    for k in range(6):
        images = flat(4.0 + k, 3)
        seen = together.apply(images)
        np.testing.assert_array_equal(seen[1], alone.apply(images[:1])[0])
        assert (seen[0] != seen[1]).any()


def test_colours_pass_too():
    image = np.full((1, 16, 16, 3), 100.0, dtype=np.float32)
    seen = streams(Faults(grain=4.0, blur=1.0, holes=1)).apply(image)
    assert seen.shape == image.shape
    assert seen.dtype == np.float32


@pytest.mark.parametrize(
    "wrong", [{"noise": -1.0}, {"dropout": 1.5}, {"latency": 1.5}, {"blur": float("nan")}]
)
def test_impossible_faults_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        Faults(**wrong)
