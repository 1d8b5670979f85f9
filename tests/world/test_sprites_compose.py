"""The compositor: boxes and visibility are what the pixels show; a crop is drawn as its frame would be."""

import cv2
import numpy as np
import pytest

from wayscan.geometry.boxes import CropRegion, crop_image
from wayscan.world.sprites.cast import draw_bend
from wayscan.world.sprites.compose import (
    Layer,
    Placement,
    Stage,
    Target,
    View,
    blacken_outside,
    compose,
    line_kernel,
    place,
)
from wayscan.world.sprites.cutouts import (
    Scene,
    blob_mask,
    cut_out,
    looks_like_object,
    object_masks,
    outline_of,
    pyramid,
)
from wayscan.world.sprites.textures import FAMILIES, texture

FRAME = (160.0, 120.0)
WHOLE = View(0.0, 0.0, 1.0, 160, 120)


def sprite_of(mask, value=255):
    sprite = cut_out(np.full((*mask.shape, 3), value, dtype=np.uint8), mask, kind="shape", scene=-1)
    assert sprite is not None
    return sprite


def black_stage(*layers, target=None):
    scene = Scene(pyramid(np.zeros((120, 160, 3), dtype=np.uint8)), (), False)
    backdrop = Placement(place((0, 0), (0, 0), scale=1.0))
    target = target or Target(layers[0].placement.of(layers[0].sprite.outline), 0)
    return Stage(scene, backdrop, tuple(layers), target, FRAME)


def pixels_box(image):
    ys, xs = np.nonzero(image[..., 0] > 100)
    return np.array([xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()])


@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_box_is_where_the_pixels_are(seed, bent):
    rng = np.random.default_rng(seed)
    mask = np.zeros((70, 90), dtype=np.uint8)
    mask[5:65, 10:80] = blob_mask(rng, 60, 70)
    sprite = sprite_of(mask)
    matrix = place((45, 35), (80.3, 61.7), scale=0.8, aspect=1.2, angle=rng.uniform(-1, 1))
    placement = Placement(matrix, draw_bend(rng, 50, 1.0) if bent else None)
    stage = black_stage(Layer(sprite, placement))
    drawn = compose(stage, WHOLE)
    np.testing.assert_allclose(stage.target.box, pixels_box(drawn.image), atol=2.0)
    assert drawn.visible > 0.9


def test_visibility_counts_occlusion_and_the_frame():
    square = np.zeros((46, 46), dtype=np.uint8)
    square[3:43, 3:43] = 255
    sprite = sprite_of(square)
    middle = (sprite.size[0] / 2, sprite.size[1] / 2)

    def at(x, y):
        return Layer(sprite, Placement(place(middle, (x, y), scale=1.0)))

    assert compose(black_stage(at(80, 60)), WHOLE).visible == pytest.approx(1, abs=0.02)
    assert compose(black_stage(at(80, 60), at(100, 60)), WHOLE).visible == pytest.approx(0.5, abs=0.04)
    assert compose(black_stage(at(0, 60)), WHOLE).visible == pytest.approx(0.5, abs=0.04)
    assert compose(black_stage(at(80, 60), at(80, 60)), WHOLE).visible < 0.05
    half_view = View(80.0, 0.0, 1.0, 80, 120)
    assert compose(black_stage(at(80, 60)), half_view).visible == pytest.approx(0.5, abs=0.04)
    # What lies behind the target does not hide it.
    behind = black_stage(at(100, 60), at(80, 60), target=Target(at(80, 60).placement.of(sprite.outline), 1))
    assert compose(behind, WHOLE).visible == pytest.approx(1, abs=0.02)


def test_a_part_of_the_scene_is_hidden_by_what_stands_on_it():
    outline = np.array([[60.0, 40], [100, 40], [100, 80], [60, 80]])
    square = np.full((46, 46), 255, dtype=np.uint8)
    layer = Layer(sprite_of(square), Placement(place((0, 0), (80, 20), scale=2.0)))
    target = Target(outline, None, False)
    assert compose(black_stage(target=target), WHOLE).visible == pytest.approx(1, abs=0.03)
    assert compose(black_stage(layer, target=target), WHOLE).visible == pytest.approx(0.65, abs=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_outlines_enclose_their_area(seed):
    mask = blob_mask(np.random.default_rng(seed), 80, 100)
    outline = outline_of(mask)
    assert outline is not None
    assert cv2.contourArea(outline.astype(np.float32)) == pytest.approx(cv2.countNonZero(mask), rel=0.06)
    scene_target = Target(outline + 10, None, False)
    assert compose(black_stage(target=scene_target), WHOLE).visible == pytest.approx(1, abs=0.04)


def test_a_crop_is_drawn_as_its_frame_would_be():
    rng = np.random.default_rng(3)
    scene = Scene(pyramid(cv2.GaussianBlur(texture(rng, 120, 160), (0, 0), 2)), (), False)
    mask = blob_mask(rng, 50, 60)
    sprite = cut_out(cv2.GaussianBlur(texture(rng, 50, 60), (0, 0), 2), mask, kind="shape", scene=-1)
    assert sprite is not None
    placement = Placement(place((30, 25), (70, 60), scale=0.9, angle=0.3), draw_bend(rng, 50, 1.0))
    target = Target(placement.of(sprite.outline), 0)
    backdrop = Placement(place((80, 60), (80, 60), scale=1.2, angle=0.05))
    stage = Stage(scene, backdrop, (Layer(sprite, placement),), target, FRAME)
    region = CropRegion(30.0, 20.0, 64.0)
    expected = crop_image(compose(stage, WHOLE).image, region, 96)
    direct = compose(stage, View(region.left, region.top, 96 / 64, 96, 96)).image
    assert np.abs(expected.astype(int) - direct).mean() < 4


def test_the_frame_ends_in_black():
    image = np.full((20, 20, 3), 9, dtype=np.uint8)
    blacken_outside(image, (10.0, 8.0), View(-5.0, -4.0, 1.0, 20, 20))
    assert image[4:12, 5:15].min() == 9
    assert image.sum() == 9 * 3 * 80


def test_motion_blur_keeps_light():
    for angle in np.linspace(0, np.pi, 7):
        kernel = line_kernel(6 * np.cos(angle), 6 * np.sin(angle))
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert np.count_nonzero(kernel) >= 5


def test_textures_are_seeded_and_differ():
    for family, _ in FAMILIES:
        first, again, other = (family(np.random.default_rng(seed), 48, 64) for seed in (1, 1, 2))
        assert first.shape == (48, 64, 3)
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_objects_are_chosen_from_segments():
    labels = np.zeros((100, 150), dtype=np.uint8)
    labels[30:60, 40:80] = 1  # an object
    labels[30:60, 80:100] = 2  # its neighbour
    labels[:, 140:] = 3  # a strip along the border
    labels[90:93, 10:13] = 4  # a speck
    masks = object_masks(labels, np.random.default_rng(0))
    shapes = {cv2.boundingRect(mask) for mask in masks}
    assert (40, 30, 40, 30) in shapes
    assert (40, 30, 60, 30) in shapes
    assert all(looks_like_object(mask) for mask in masks)
    assert not any(mask[:, 145].any() or mask[91, 11] for mask in masks)
