"""Roads: routes are smooth and keep to the right, meetings say where routes touch, the ground shows it."""

from math import pi

import numpy as np
import pytest

from wayscan.geometry.poses import to_ego, wrap_angle
from wayscan.world.cameras import Camera
from wayscan.world.render.picture import render
from wayscan.world.road_paint import painted
from wayscan.world.roads import CROSSING, LATERAL, NEAR, REACH, ROAD_KINDS, Road, RoadKind, Route
from wayscan.world.scene import Scene, solids


def road_of(kind: RoadKind, **about: object) -> Road:
    return Road(kind=kind, major=kind != "T-junction, from the stem", heading=0.4, **about)  # type: ignore[arg-type]


def routes_of(road: Road) -> list[Route]:
    return [road.route(a, b) for a in road.arms for b in road.arms if a != b]


@pytest.mark.parametrize("kind", ROAD_KINDS)
def test_routes_are_smooth_and_lead_from_lane_to_lane(kind: RoadKind) -> None:
    road = road_of(kind, skew=0.1 if kind == "crossroads" else 0.0)
    for route in routes_of(road):
        assert np.allclose(road.on_arm(route.start, route.points[0]), [REACH, road.lane / 2])
        assert np.allclose(road.on_arm(route.end, route.points[-1]), [REACH, -road.lane / 2])
        gaps = np.linalg.norm(np.diff(route.points, axis=0), axis=1)
        assert np.allclose(gaps, route.step, rtol=0.01)
        curvature = np.diff(route.yaws) / route.step
        assert np.abs(curvature).max() < 1 / 5  # five metres: what a car can do
        assert np.abs(np.diff(curvature)).max() < 0.03  # no jumps
        assert (route.limits**2 * np.abs(np.gradient(route.yaws, route.step)) < LATERAL + 1e-6).all()
        slowing = -np.diff(route.limits**2) / (2 * route.step)
        assert slowing.max() < 1.7


@pytest.mark.parametrize("kind", ROAD_KINDS)
def test_a_pose_is_where_the_route_says(kind: RoadKind) -> None:
    for route in routes_of(road_of(kind)):
        s = np.linspace(-10, route.length + 10, 300)
        poses = route.pose(s)
        ahead = to_ego(poses[1:, :2], poses[:-1])
        assert np.allclose(ahead[:, 0], s[1] - s[0], atol=0.02)
        assert np.abs(ahead[:, 1]).max() < 0.06
        assert np.abs(wrap_angle(np.diff(poses[:, 2]))).max() < 0.15


def test_turns_have_their_names() -> None:
    cross = road_of("crossroads")
    assert cross.ways_on(0) == {"right": 1, "straight": 2, "left": 3}
    for arm in cross.arms:
        assert set(cross.ways_on(arm)) == {"left", "straight", "right"}
    assert set(road_of("T-junction, from the stem").ways_on(0)) == {"left", "right"}
    assert set(road_of("T-junction, from the bar", side="left").ways_on(0)) == {"straight", "left"}
    assert set(road_of("straight road").ways_on(0)) == {"straight"}
    left = cross.route(0, 3)
    assert np.isclose(left.yaws[-1] - left.yaws[0], pi / 2, atol=0.01)


def test_one_road_has_the_right_of_way() -> None:
    cross = Road(major=False)
    assert [cross.has_priority(arm) for arm in cross.arms] == [False, True, False, True]
    stem = road_of("T-junction, from the stem")
    assert [stem.has_priority(arm) for arm in stem.arms] == [False, True, True]


def test_zones_lie_behind_the_stop_line_and_on_the_crossing() -> None:
    road = road_of("crossroads")
    for route in routes_of(road):
        assert [zone.arm for zone in route.zones] == [route.start, route.end]
        assert route.stop < route.zones[0].enter
        for zone in route.zones:
            place = road.on_arm(zone.arm, route.pose((zone.enter + zone.leave) / 2)[:2])
            assert road.throat < place[0] < road.throat + CROSSING
            assert abs(place[1] - zone.left) < 0.3


@pytest.mark.parametrize("kind", ROAD_KINDS)
def test_meetings_say_where_routes_touch(kind: RoadKind) -> None:
    road = road_of(kind)
    for first in routes_of(road):
        for second in routes_of(road):
            meeting = road.meeting(first, second)
            about = slice(300, 420, 2)  # points around the junction
            gaps = np.linalg.norm(first.points[about, None] - second.points[None, about], axis=-1)
            at, at_too = (300 + 2 * index for index in np.nonzero(gaps < NEAR - 0.3))
            if first.start == second.start:
                assert meeting.crossing is None
                before = int(min(meeting.split, 170) / first.step) - 1
                assert np.abs(first.points[:before] - second.points[:before]).max() < NEAR
            elif first.end == second.end:
                assert meeting.crossing is not None
                ahead = np.arange(0, 40, 1.0)
                a, b = first.pose(meeting.merge[0] + ahead), second.pose(meeting.merge[1] + ahead)
                assert np.linalg.norm(a[:, :2] - b[:, :2], axis=1).max() < 1.0
            elif len(at):
                assert meeting.crossing is not None
                enter, leave, enter_too, leave_too = meeting.crossing
                assert enter - 1 < at.min() * first.step
                assert at.max() * first.step < leave + 1
                assert enter_too - 1 < at_too.min() * second.step
                assert at_too.max() * second.step < leave_too + 1
            else:
                assert meeting.crossing is None or gaps.min() < NEAR + 0.2


def test_the_ground_shows_asphalt_lines_and_the_crossing() -> None:
    road = Road(heading=0.0)
    scene = Scene(solids=solids([]), ground=painted(road))
    x = road.throat + CROSSING / 2
    down = Camera(width=200, height=60, position=(x, 0, 12), yaw=0.0, pitch=-pi / 2 + 1e-6, field=1.2)
    image = render(scene, down).image.astype(int)
    across = image[30].mean(axis=1)  # along the crossing, from pavement to pavement
    bars = np.abs(np.diff((across[30:170] > 150).astype(int))).sum()
    assert 14 <= bars <= 26
    lane = road.place(0, 40.0, road.lane / 2)
    high = Camera(width=20, height=20, position=(*lane, 3), pitch=-pi / 2 + 1e-6, field=0.6)
    asphalt = render(scene, high).image.astype(int)
    assert asphalt.mean() < 110
    assert np.ptp(asphalt.mean(axis=(0, 1))) < 12


def test_wrong_roads_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean crossroads"):
        Road(kind="crossroad")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lane, parking, skew"):
        Road(lane=1.0)
    with pytest.raises(ValueError, match="stem of a T-junction"):
        Road(kind="T-junction, from the stem")
