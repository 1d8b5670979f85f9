"""Pictures: colours stay what they are called, light falls from the sun, paint lies where it should."""

import os
import subprocess
import sys

import numpy as np
import pytest

from wayscan.world.cameras import Camera
from wayscan.world.colours import COLOURS
from wayscan.world.render import render, render_all
from wayscan.world.scene import (
    GROUND,
    SKY,
    Ground,
    Light,
    Look,
    Scene,
    Texture,
    box,
    capsule,
    cylinder,
    ellipsoid,
    paint,
    solids,
    sphere,
)

NOTHING = solids([])
WHITE = Look((1.0, 1.0, 1.0))
SUN_BEHIND = Light(sun=(-0.9, 0.2, 0.4))
FROM_ABOVE = Camera(width=64, height=64, position=(0, 0, 20.0), pitch=-np.pi / 2, field=1.0)


def colour_of(frame, instance):
    return frame.image[frame.ids == instance].astype(float).mean(axis=0) / 255


def nearest(colour):
    """The name of a colour, brightness apart."""
    hue = {name: np.array(c) / np.linalg.norm(c) for name, c in COLOURS.items()}
    brightness = {name: np.linalg.norm(c) for name, c in COLOURS.items()}
    unit = colour / np.linalg.norm(colour)
    return min(
        COLOURS,
        key=lambda n: 3 * np.linalg.norm(hue[n] - unit) + abs(brightness[n] - np.linalg.norm(colour)),
    )


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("texture", [Texture.PLAIN, Texture.FINE])
def test_colours_stay_what_they_are_called(name, texture):
    look = Look(COLOURS[name], texture, 1.0, 0.3)
    scene = Scene(solids=sphere((6, 0, 2), 1, look, instance=0), light=SUN_BEHIND)
    assert nearest(colour_of(render(scene, Camera(width=64, height=64, position=(0, 0, 2))), 0)) == name


def test_a_frame_says_what_it_is():
    camera = Camera(width=40, height=20, name="left")
    frame = render(Scene(solids=NOTHING), camera, time=1.5)
    assert (frame.camera, frame.time) == ("left", 1.5)
    assert frame.image.shape == (20, 40, 3)
    assert frame.depth.dtype == np.float32
    assert frame.ids.dtype == np.int32
    assert set(np.unique(frame.ids[:9])) == {SKY}
    assert set(np.unique(frame.ids[11:])) == {GROUND}
    assert np.isinf(frame.depth[0]).all()


def test_several_cameras_are_each_alone():
    scene = Scene(solids=box((5, 0, 1), (1, 1, 1), instance=0))
    cameras = [
        Camera(width=30, height=20, yaw=0.2, name="a"),
        Camera(width=50, height=40, pitch=-0.2, name="b"),
    ]
    for frame, camera in zip(render_all(scene, cameras), cameras, strict=True):
        alone = render(scene, camera)
        np.testing.assert_array_equal(frame.image, alone.image)
        np.testing.assert_array_equal(frame.depth, alone.depth)
        assert frame.camera == camera.name


def test_the_side_towards_the_sun_is_brighter():
    scene = Scene(solids=sphere((5, 0, 2), 1, instance=0), light=Light(sun=(-0.3, 1, 0.3)))
    frame = render(scene, Camera(width=60, height=60, position=(0, 0, 2)))
    left, right = frame.image[28:32, 22:26].mean(), frame.image[28:32, 34:38].mean()
    assert left > 1.3 * right


@pytest.mark.parametrize(
    "solid",
    [
        sphere((0, 0, 3), 1, instance=0),
        box((0, 0, 3), (1, 0.7, 0.8), yaw=0.4, instance=0),
        cylinder((0, 0, 2), 0.8, 2, instance=0),
        capsule((-1, 0.5, 2), (1, -0.5, 4), 0.6, instance=0),
        ellipsoid((0, 0, 3), (1.2, 0.7, 0.9), yaw=0.7, instance=0),
    ],
    ids=["sphere", "box", "cylinder", "capsule", "ellipsoid"],
)
def test_shadows_lie_where_the_sun_is_hidden(solid):
    """Looking from a ground point towards the sun finds the solid exactly where the ground is dark."""
    from wayscan.world.render.reference import depth_of

    sun = np.array([0.6, 0.35, 0.7])
    light = Light(sun=tuple(sun))
    lit = render(Scene(solids=solid, light=Light(sun=tuple(sun), shadows=False)), FROM_ABOVE)
    shaded = render(Scene(solids=solid, light=light), FROM_ABOVE)
    dark = shaded.image.sum(axis=2) < 0.985 * lit.image.sum(axis=2)
    where = (shaded.ids == GROUND) & (lit.image.min(axis=2) > 30)
    y, x = np.mgrid[:64, :64] + 0.5
    reach = 20 / FROM_ABOVE.focal
    points = np.stack([(32 - y) * reach, (32 - x) * reach, 0 * x], axis=-1)
    expected = np.zeros((64, 64), dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(64):
            for j in range(0, 64):
                expected[i, j] = np.isfinite(depth_of(solid[0], sun[None, None], points[i, j])[0, 0])
    wrong = where & (dark != expected)
    outline = 2 * np.sqrt(expected.sum() * 4 * np.pi)
    assert expected[where].sum() > 20
    assert wrong.sum() < 0.5 * outline  # soft edges
    assert (dark & ~expected & where).sum() <= 2


def test_paint_covers_what_it_should():
    red, dashes = Look((1.0, 0.0, 0.0)), Look((0.0, 0.0, 1.0))
    paints = np.concatenate(
        [paint((2, 1), (3, 1), red, yaw=0.5), paint((2, 1), (3, 0.5), dashes, yaw=0.5, period=2)]
    )
    ground = Ground(look=WHITE, paints=paints)
    frame = render(Scene(solids=NOTHING, ground=ground, light=Light(shadows=False)), FROM_ABOVE)
    y, x = np.mgrid[:64, :64] + 0.5
    reach = 20 / FROM_ABOVE.focal
    a, b = (32 - y) * reach - 2, (32 - x) * reach - 1
    u, v = np.cos(0.5) * a + np.sin(0.5) * b, np.cos(0.5) * b - np.sin(0.5) * a
    clear = 0.6 * reach
    inside = (np.abs(u) < 3 - 2 * clear) & (np.abs(v) < 1 - 2 * clear)
    dash = inside & (np.abs(v) < 0.5 - 2 * clear)
    phase = (u + 3) % 2
    r, g, b = (frame.image[..., k].astype(int) for k in range(3))
    assert (r[inside & (np.abs(v) > 0.5 + 2 * clear)] > 200).all()
    assert (b[dash & (phase > 2 * clear) & (phase < 1 - 2 * clear)] > 200).all()
    assert (r[dash & (phase > 1 + 2 * clear) & (phase < 2 - 2 * clear)] > 200).all()
    outside = (np.abs(u) > 3 + 2 * clear) | (np.abs(v) > 1 + 2 * clear)
    assert (g[outside] > 200).all()


def test_far_dashes_become_their_mean():
    stripes = paint((0, 0), (1000, 1000), Look((0.0, 0.0, 0.0)), period=0.5, duty=0.25)
    scene = Scene(solids=NOTHING, ground=Ground(look=WHITE, paints=stripes), light=Light(shadows=False))
    frame = render(scene, Camera(width=64, height=64, position=(0, 0, 2.0), field=0.6))
    rows = frame.image[36:40].astype(float) / frame.image.max()
    assert np.abs(rows - 0.75).max() < 0.08


def test_fog_ends_in_the_horizon():
    scene = Scene(
        solids=box((300, 0, 30), (1, 300, 30), Look(COLOURS["red"]), instance=0), light=Light(fog=30)
    )
    frame = render(scene, Camera(width=32, height=32))
    np.testing.assert_allclose(colour_of(frame, 0), scene.light.horizon, atol=0.01)


def test_outlines_are_smooth_and_ids_are_not():
    scene = Scene(
        solids=sphere((5, 0, 2), 1, Look((1, 1, 1)), instance=0),
        light=Light(zenith=(0, 0, 0), horizon=(0, 0, 0)),
    )
    frame = render(scene, Camera(width=64, height=64, position=(0, 0, 2)))
    sky = frame.image[:30][frame.ids[:30] == SKY]
    assert ((sky > 10) & (sky < 200)).any()
    assert set(np.unique(frame.ids)) == {SKY, GROUND, 0}


@pytest.mark.parametrize(
    "solid",
    [
        sphere((0, 0, 2), 1, instance=0),
        box((0, 0, 2), (1, 0.7, 0.8), yaw=0.4, instance=0),
        cylinder((0, 0, 1), 0.8, 2, instance=0),
        capsule((-1, 0, 2), (1, 0, 2), 0.6, instance=0),
        ellipsoid((0, 0, 2), (1.2, 0.7, 0.9), instance=0),
    ],
    ids=["sphere", "box", "cylinder", "capsule", "ellipsoid"],
)
def test_a_camera_inside_a_solid_is_refused(solid):
    scene = Scene(solids=solid, names=("walker",))
    with pytest.raises(ValueError, match=r"inside solid 0, a \w+ of instance 0 \(walker\); expected a place"):
        render(scene, Camera(width=8, height=8, position=(0.1, 0, 2.0)))
    render(scene, Camera(width=8, height=8, position=(3.1, 0, 2.0)))


def test_a_camera_under_the_ground_is_refused():
    with pytest.raises(ValueError, match="above the ground"):
        render(Scene(solids=NOTHING), Camera(width=8, height=8, position=(0, 0, -1.0)))


def test_the_world_needs_no_torch():
    code = """
import sys
sys.modules["torch"] = None
import wayscan
from wayscan.world import Camera, Scene, render
from wayscan.world.scene import solids
wayscan.warmup()
print(render(Scene(solids=solids([])), Camera(width=4, height=4)).image.shape)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(4, 4, 3)"


@pytest.mark.slow
def test_narrow_processors_see_the_same(tmp_path):
    """AVX2 and the base instruction set beside this processor's own vectors."""
    code = """
import sys, numpy as np
from wayscan.world import Camera, Scene, render
from wayscan.world.props import forest, house
from wayscan.world.scene import solids
rng = np.random.default_rng(0)
trees = forest(rng.uniform((6, -9), (40, 9), (20, 2)), rng, first_instance=1)
scene = Scene(solids=solids([house(30, 9, instance=0), trees]))
frame = render(scene, Camera(width=150, height=100, pitch=0.05, roll=0.1))
np.savez(sys.argv[1], image=frame.image, depth=frame.depth, ids=frame.ids)
"""
    frames = []
    for features in (None, "+avx,+avx2,+fma,+bmi,+bmi2,+f16c", "+sse4.2"):
        file = tmp_path / f"{features}.npz"
        named = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features} if features else {}
        variables = {**os.environ, "WAYSCAN_CACHE": str(tmp_path), **named}
        subprocess.run([sys.executable, "-W", "error", "-c", code, str(file)], env=variables, check=True)
        frames.append(np.load(file))
    for frame in frames[1:]:
        assert (frame["ids"] == frames[0]["ids"]).mean() > 0.999
        assert (frame["image"] == frames[0]["image"]).all(axis=2).mean() > 0.999
        near = frames[0]["ids"] >= 0
        assert np.median(np.abs(frame["depth"][near] / frames[0]["depth"][near] - 1)) < 1e-6


def test_odd_sizes():
    scene = Scene(solids=box((5, 0, 1), (1, 1, 1), instance=0))
    for width, height in ((1, 1), (17, 3), (3, 50)):
        frame = render(scene, Camera(width=width, height=height, position=(0, 0, 1.2)))
        assert frame.image.shape == (height, width, 3)
