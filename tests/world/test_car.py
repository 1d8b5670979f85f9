"""Vehicles stay in their boxes, wherever they stand, and are told apart by kind and colour."""

import numpy as np
import pytest

from wayscan.geometry.poses import to_ego
from wayscan.world.actors.car import CAR_KINDS, EGO_SIZE, PAINTS, car_size, car_solids
from wayscan.world.cameras import Camera
from wayscan.world.colours import colour
from wayscan.world.render.picture import render
from wayscan.world.scene import Scene, Shape, check_solids

POSE = (3.0, -2.0, 0.7)


@pytest.mark.parametrize("kind", CAR_KINDS)
def test_a_vehicle_fills_its_box_and_stays_in_it(kind: str) -> None:
    table, size = car_solids(kind, "red", *POSE, 4), np.array(car_size(kind))
    check_solids(table)
    assert (table["instance"] == 4).all()
    half = table["b"].astype(np.float64)
    centre = to_ego(table["a"][:, :2].astype(np.float64), POSE)
    reach = np.abs(centre) + half[:, :2]
    assert (reach <= size[:2] / 2 + 0.06).all()
    assert np.allclose(reach.max(axis=0), size[:2] / 2, atol=0.06)
    assert abs((table["a"][:, 2] + half[:, 2]).max() - size[2]) < 0.05
    wheels = table[table["shape"] == Shape.ELLIPSOID]
    assert (wheels["a"][:, 2] - wheels["b"][:, 2]).min() == pytest.approx(0, abs=1e-6)


def test_the_ego_has_the_size_of_the_metric() -> None:
    assert car_size("car") == EGO_SIZE
    assert EGO_SIZE[:2] == (4.084, 1.85)


def test_a_picture_shows_the_colour_and_dark_windows() -> None:
    scene = Scene(solids=car_solids("car", "red", 7.0, 0.0, np.pi / 2, 0), names=("car",))
    frame = render(scene, Camera(width=128, height=72, position=(0, 0, 1.2), field=1.0))
    seen = frame.image[frame.ids == 0].astype(int)
    assert len(seen) > 500
    red = seen[:, 0] > 2 * seen[:, 1]
    dark = seen.max(axis=1) < 70
    assert red.mean() > 0.25
    assert dark.mean() > 0.15


def test_braking_lights_are_brighter() -> None:
    calm, braking = (car_solids("van", "white", 0, 0, 0, 0, braking=braking) for braking in (False, True))
    assert braking["colour"].sum() > calm["colour"].sum()


def test_models_are_not_shared() -> None:
    first = car_solids("bus", "blue", 0, 0, 0, 0)
    first["a"] += 100
    assert np.abs(car_solids("bus", "blue", 0, 0, 0, 0)["a"]).max() < 10


def test_unknown_names_are_told_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean truck"):
        car_size("truk")
    with pytest.raises(ValueError, match="did you mean green"):
        car_solids("car", "gren", 0, 0, 0, 0)
    assert all(colour(paint) for paint in PAINTS)
