"""Props: they stand on the ground where they were put, one instance each, and can be seen."""

from math import pi

import numpy as np
import pytest

from wayscan.world import props
from wayscan.world.cameras import Camera
from wayscan.world.render import instance_boxes, render
from wayscan.world.scene import Look, Scene

rng = np.random.default_rng


PROPS = {
    "tree": lambda: props.tree(10, 1, 7, rng(0), instance=0),
    "fir": lambda: props.fir(10, 1, 8, rng(0), instance=0),
    "trunk": lambda: props.trunk(10, 1, 0.3, 6, instance=0),
    "bush": lambda: props.bush(10, 1, 1.2, rng(0), instance=0),
    "wall": lambda: props.wall((10, -1), (11, 3), instance=0),
    "house": lambda: props.house(16, 1, yaw=0.2, instance=0),
    "lamp_post": lambda: props.lamp_post(10, 1, yaw=pi, instance=0),
    "bench": lambda: props.bench(10, 1, yaw=pi, instance=0),
    "cone": lambda: props.cone(10, 1, instance=0),
    "sign": lambda: props.sign(10, 1, Look((0.9, 0.8, 0.1)), yaw=pi, instance=0),
    "ball": lambda: props.ball(10, 1, 0.5, instance=0),
}


@pytest.mark.parametrize("name", PROPS)
def test_props_stand_on_the_ground_and_are_seen(name):
    table = PROPS[name]()
    assert (table["instance"] == 0).all()
    scene, camera = Scene(solids=table, names=(name,)), Camera(width=240, height=240)
    frame, found = render(scene, camera), instance_boxes(scene, camera)
    assert (frame.ids == 0).sum() > 20
    assert found.visible[0] == 1
    foot = found.boxes[0, 1] + found.boxes[0, 3]
    nearest = frame.depth[frame.ids == 0].min()
    assert foot >= 120 + camera.focal * 1.5 / (nearest + 8) - 1  # no higher than ground some metres behind
    assert (render(Scene(solids=PROPS[name]()), camera).image == frame.image).all()


def test_a_forest_has_an_instance_for_each_tree():
    places = rng(1).uniform((5, -20), (60, 20), (30, 2))
    table = props.forest(places, rng(2), first_instance=5)
    assert sorted(set(table["instance"].tolist())) == list(range(5, 35))
    np.testing.assert_array_equal(table, props.forest(places, rng(2), first_instance=5))
