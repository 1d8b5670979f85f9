"""The atlas: neutral, seamless, with its halvings."""

import numpy as np

from wayscan.world.atlas import LEVELS, SIZE, TILES, atlas
from wayscan.world.scene import Texture


def levels(row):
    start = 0
    for level in range(LEVELS):
        side = SIZE >> level
        yield row[start : start + side * side].reshape(side, side).astype(float)
        start += side * side
    assert start == len(row)


def test_every_texture_has_a_tile():
    assert set(TILES) == set(Texture) - {Texture.PLAIN}
    assert atlas().shape[0] == len(TILES)
    assert atlas().dtype == np.uint8


def test_tiles_are_neutral_at_every_level():
    for row in atlas():
        for level in levels(row):
            assert abs(level.mean() - 128) < 1
        assert np.std(next(levels(row))) > 8


def test_levels_are_halvings():
    for row in atlas():
        fine, coarse, *_ = levels(row)
        mean = fine.reshape(SIZE // 2, 2, SIZE // 2, 2).mean(axis=(1, 3))
        assert np.abs(mean - coarse).max() <= 1.01


def test_tiles_repeat_without_a_seam():
    """Across the border texels differ no more than inside, for tiles that are no pattern of bars."""
    for texture in (Texture.LEAVES, Texture.NOISE, Texture.FINE, Texture.GRASS, Texture.BARK):
        tile = next(levels(atlas()[texture]))
        for t in (tile, tile.T):
            inside, border = np.abs(np.diff(t, axis=0)).mean(), np.abs(t[0] - t[-1]).mean()
            assert border < 1.5 * inside


def test_the_atlas_is_the_same_every_time():
    np.testing.assert_array_equal(atlas(), atlas.__wrapped__())
