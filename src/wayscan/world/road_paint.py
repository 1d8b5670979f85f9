"""What is painted on the ground of a road: pavements, asphalt, lines, crossings."""

from math import pi

import numpy as np
from numpy.typing import NDArray

from wayscan.world.roads import CROSSING, PAVEMENT, REACH, Road
from wayscan.world.scene import Ground, Look, Paints, Texture, paint

_ASPHALT = Look((0.27, 0.27, 0.28), Texture.FINE, 4.0, 0.22)
_PAVING = Look((0.60, 0.57, 0.54), Texture.CHECKS, 1.2, 0.10)
_WHITE = Look((0.88, 0.88, 0.86))
_YELLOW = Look((0.86, 0.70, 0.18))
_KERB = Look((0.66, 0.66, 0.64))


def painted(road: Road) -> Ground:
    """What is painted on the ground: pavements, asphalt, lines, crossings."""
    rows = [*_surfaces(road)]
    for arm in road.arms:
        rows += _lines(road, arm)
    return Ground(paints=np.concatenate(rows))


def _surfaces(road: Road) -> list[Paints]:
    half = road.half_width
    rows = []
    for wide, look in ((half + PAVEMENT, _PAVING), (half + 0.18, _KERB), (half, _ASPHALT)):
        rows += [_strip(road, arm, -half / 2, REACH + 60, 0.0, wide, look) for arm in road.arms]
        if len(road.angles) > 2 and look is not _PAVING:
            grown = 2.2 if look is _ASPHALT else 2.4
            rows += [paint(corner, (grown, grown), look, yaw=yaw) for corner, yaw in _corners(road, half)]
    return rows


def _corners(road: Road, out: float) -> list[tuple[NDArray[np.float64], float]]:
    """Where the kerbs of neighbouring arms would meet, and the direction of a diamond that cuts them
    off."""
    found = []
    order = sorted(road.arms, key=lambda arm: road.angles[arm] % (2 * pi))
    for first, second in zip(order, [*order[1:], order[0]], strict=True):
        between = (road.angles[second] - road.angles[first]) % (2 * pi)
        if between > 0.75 * pi:
            continue
        # The kerb lines `out` left of the first and right of the second arm meet where both hold.
        along = out / np.tan(between / 2)
        found.append((road.place(first, along, out), road.angles[first] + between / 2 + pi / 4))
    return found


def _strip(
    road: Road, arm: int, start: float, end: float, left: float, half: float, look: Look, **dashes: float
) -> Paints:
    """A rectangle along an arm."""
    centre = road.place(arm, (start + end) / 2, left)
    return paint(centre, ((end - start) / 2, half), look, yaw=road.angles[arm], **dashes)


def _across(
    road: Road, arm: int, along: float, right: float, left: float, half: float, look: Look, **dashes: float
) -> Paints:
    """A rectangle across an arm, from one distance left of its middle to another."""
    centre = road.place(arm, along, (left + right) / 2)
    return paint(centre, ((left - right) / 2, half), look, yaw=road.angles[arm] + pi / 2, **dashes)


def _lines(road: Road, arm: int) -> list[Paints]:
    start, lane, far = road.stop_line + 0.2, road.lane, REACH + 60
    if len(road.angles) == 2 and arm == 1:
        start = 1.2
    rows = [
        _strip(road, arm, start, start + 18, 0.0, 0.08, _YELLOW),
        _strip(road, arm, start + 18, far, 0.0, 0.08, _YELLOW, period=6.0, duty=0.5),
    ]
    if road.parking > 0:
        rows += [
            _strip(road, arm, start + 4, far, side * lane, 0.06, _WHITE, period=2.0, duty=0.6)
            for side in (-1, 1)
        ]
    if arm in road.crossings:
        # One rectangle whose dashes are the bars.
        rows.append(
            _across(
                road,
                arm,
                road.throat + CROSSING / 2,
                -road.half_width,
                road.half_width,
                CROSSING / 2,
                _WHITE,
                period=1.1,
                duty=0.5,
            )
        )
        if road.control == "lights" or road.has_priority(arm):
            rows.append(_across(road, arm, road.stop_line, 0.0, lane, 0.2, _WHITE))
        else:
            rows.append(
                _across(road, arm, road.stop_line + 0.1, 0.0, lane, 0.3, _WHITE, period=0.9, duty=0.6)
            )
        if len(road.angles) == 2:
            rows.append(_across(road, arm, -1.4, -lane, 0.0, 0.2, _WHITE))
    return rows
