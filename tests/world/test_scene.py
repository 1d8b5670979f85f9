"""Tables of solids and paints: what is made, and what is refused with the reason."""

from math import cos, inf, nan, sin

import numpy as np
import pytest

from wayscan.world.colours import COLOURS, colour
from wayscan.world.scene import (
    PAINT,
    SOLID,
    Look,
    Scene,
    Shape,
    Texture,
    box,
    capsule,
    cylinder,
    ellipsoid,
    paint,
    solids,
    sphere,
)


def test_rows_say_what_was_asked_for():
    look = Look((0.1, 0.2, 0.3), Texture.BARK, 2.0, 0.7)
    table = solids(
        [
            box((1, 2, 3), (4, 5, 6), look, yaw=0.5, instance=7),
            cylinder((1, 2, 0), 0.5, 4, instance=8),
            sphere((1, 2, 3), 2, instance=9),
            capsule((0, 0, 1), (1, 0, 2), 0.3, instance=10),
            ellipsoid((1, 2, 3), (1, 2, 3), yaw=-1.0, instance=11),
        ]
    )
    assert table.dtype == SOLID
    assert table["shape"].tolist() == [
        Shape.BOX,
        Shape.CYLINDER,
        Shape.SPHERE,
        Shape.CAPSULE,
        Shape.ELLIPSOID,
    ]
    assert table["instance"].tolist() == [7, 8, 9, 10, 11]
    np.testing.assert_allclose(table["turn"][0], (cos(0.5), sin(0.5)), rtol=1e-6)
    assert table["b"][1].tolist() == [0, 0, 4]
    assert table["contrast"].tolist() == pytest.approx([0.7, 0, 0, 0, 0])
    assert table["texture"][0] == Texture.BARK


def test_paint_keeps_its_measures():
    row = paint((1, 2), (3, 0.5), Look((1, 1, 1)), yaw=0.3, period=2.0, duty=0.25)
    assert row.dtype == PAINT
    assert row["half"][0].tolist() == [3, 0.5]
    assert (row["period"][0], row["duty"][0]) == (2, 0.25)


def test_movers_join_what_stands():
    scene = Scene(solids=sphere((5, 0, 1), 1, instance=0), names=("ball", "walker"))
    later = scene.with_movers(sphere((7, 0, 1), 1, instance=1), box((9, 0, 1), (1, 1, 1), instance=1))
    assert len(scene.solids) == 1
    assert later.solids["instance"].tolist() == [0, 1, 1]
    assert later.names == scene.names


def test_an_empty_scene_is_one():
    assert len(Scene(solids=solids([])).solids) == 0


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: sphere((0, 0, nan), 1, instance=0), "solid 0: a is .*; expected finite metres"),
        (lambda: sphere((0, 0, 0), inf, instance=0), "solid 0: radius is inf"),
        (lambda: sphere((0, 0, 0), 0, instance=0), "solid 0: a sphere of radius 0"),
        (lambda: box((0, 0, 0), (1, 0, 1), instance=0), "solid 0: a box of .*; expected sizes above 0"),
        (lambda: ellipsoid((0, 0, 0), (1, -1, 1), instance=0), "solid 0: a ellipsoid|an ellipsoid"),
        (lambda: cylinder((0, 0, 0), 1, 0, instance=0), "solid 0: a cylinder"),
        (lambda: np.zeros(3), r"solids are float64 \(3,\); expected a \(P,\) table of scene.SOLID"),
    ],
)
def test_impossible_solids_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        Scene(solids=make())


def test_unknown_shapes_are_refused():
    table = sphere((0, 0, 1), 1, instance=0)
    table["shape"] = 9
    with pytest.raises(ValueError, match="shapes"):
        Scene(solids=table)


def test_colours_have_names():
    assert colour("red") == COLOURS["red"]
    with pytest.raises(ValueError, match="did you mean purple"):
        colour("purpel")
