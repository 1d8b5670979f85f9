"""What stands on the floor, seen from above: circles and boxes, distances to them, and ways round them."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

CORNERS = 8  # of the polygon that ways take round a circle


class Floor:
    """Circles (C, 3) of x, y, radius and boxes (B, 5) of x, y, half length, half width, yaw.

    `clearance` is how far from them a way must stay.
    """

    def __init__(self, circles: ArrayLike = (), boxes: ArrayLike = (), *, clearance: float = 0.4) -> None:
        self.circles = np.asarray(circles, dtype=np.float64).reshape(-1, 3)
        self.boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
        self.clearance = clearance
        self._axis = np.stack([np.cos(self.boxes[:, 4]), np.sin(self.boxes[:, 4])], axis=-1)

    def nearest(self, points: ArrayLike) -> tuple[Points, NDArray[np.float64]]:
        """For points (N, 2): the way out of each of M = C + B obstacles, unit (N, M, 2), and how far from
        its surface the point is, (N, M), below zero inside.
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        away = points[:, None] - self.circles[:, :2]
        far = np.linalg.norm(away, axis=-1)
        around = away / np.maximum(far, 1e-9)[..., None]

        local = self._to_boxes(points)
        half = self.boxes[:, 2:4]
        beyond = np.abs(local) - half
        outside = np.maximum(beyond, 0)
        distance = np.linalg.norm(outside, axis=-1)
        deepest = np.eye(2)[np.argmax(beyond, axis=-1)]
        inside = np.asarray(beyond < 0).all(axis=-1)
        out = np.where(np.expand_dims(inside, -1), deepest, outside / np.maximum(distance, 1e-9)[..., None])
        out = np.where(local < 0, -out, out)
        distance = np.where(inside, beyond.max(axis=-1), distance)
        ways = np.concatenate([around, self._from_boxes(out)], axis=1)
        return ways, np.concatenate([far - self.circles[:, 2], distance], axis=1)

    def distance(self, points: ArrayLike) -> NDArray[np.float64]:
        """Metres from points (N, 2) to the nearest obstacle; infinite where there is none."""
        return self.nearest(points)[1].min(axis=1, initial=np.inf)

    def clear(self, starts: ArrayLike, ends: ArrayLike, margin: float = 0.0) -> NDArray[np.bool_]:
        """Whether the straight ways from (N, 2) to (N, 2) stay `margin` away from everything."""
        starts, ends = np.broadcast_arrays(np.asarray(starts, np.float64), np.asarray(ends, np.float64))
        way = (ends - starts)[:, None]
        to_centre = self.circles[:, :2] - starts[:, None]
        along = (to_centre * way).sum(-1) / np.maximum(np.square(way).sum(-1), 1e-12)
        gap = np.linalg.norm(to_centre - np.clip(along, 0, 1)[..., None] * way, axis=-1)
        hits = (gap < self.circles[:, 2] + margin).any(axis=1)

        here, there = self._to_boxes(starts), self._to_boxes(ends)
        step = there - here
        step = np.where(np.abs(step) < 1e-12, 1e-12, step)
        half = self.boxes[:, 2:4] + margin
        first, second = (-half - here) / step, (half - here) / step
        enters = np.minimum(first, second).max(axis=-1)
        leaves = np.maximum(first, second).min(axis=-1)
        return ~(hits | ((enters < np.minimum(leaves, 1)) & (leaves > 0)).any(axis=1))

    def route(self, start: ArrayLike, goal: ArrayLike) -> Points | None:
        """The shortest way round everything as points (P, 2) after the start; None if there is no way."""
        start, goal = np.asarray(start, dtype=np.float64), np.asarray(goal, dtype=np.float64)
        # Who already stands closer than the clearance may leave that place.
        room = float(self.distance(np.stack([start, goal])).min())
        margin = min(self.clearance, max(room - 1e-6, 0.0))
        if self.clear(start[None], goal[None], margin)[0]:
            return goal[None]
        corners, between = self._graph
        from_start = np.where(
            self.clear(start, corners, margin), np.linalg.norm(corners - start, axis=1), np.inf
        )
        to_goal = np.where(self.clear(goal, corners, margin), np.linalg.norm(corners - goal, axis=1), np.inf)
        best, before = _shortest(from_start, between)
        total = best + to_goal
        if not len(total) or not np.isfinite(total.min()):
            return None
        way, node = [goal], int(np.argmin(total))
        while node >= 0:
            way.append(corners[node])
            node = int(before[node])
        return np.array(way[::-1])

    @cached_property
    def _graph(self) -> tuple[Points, NDArray[np.float64]]:
        """Corners (V, 2) to turn at and the lengths of the clear ways between them (V, V)."""
        margin = self.clearance + 1e-3
        turns = (np.arange(CORNERS) + 0.5) * 2 * np.pi / CORNERS
        ring = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
        far = (self.circles[:, 2] + margin) / np.cos(np.pi / CORNERS)
        round_circles = self.circles[:, None, :2] + far[:, None, None] * ring
        signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
        local = signs * (self.boxes[:, None, 2:4] + margin)  # (B, 4, 2)
        at_boxes = self._from_boxes(local.transpose(1, 0, 2)).transpose(1, 0, 2) + self.boxes[:, None, :2]
        corners = np.concatenate([round_circles.reshape(-1, 2), at_boxes.reshape(-1, 2)])
        corners = corners[self.distance(corners) >= self.clearance]
        first, second = np.triu_indices(len(corners), 1)
        clear = self.clear(corners[first], corners[second], self.clearance)
        between = np.full((len(corners), len(corners)), np.inf)
        between[first[clear], second[clear]] = np.linalg.norm(
            corners[first[clear]] - corners[second[clear]], axis=1
        )
        return corners, np.minimum(between, between.T)

    def _to_boxes(self, points: Points) -> Points:
        """(N, 2) in the frames of the boxes: (N, B, 2)."""
        offset = points[:, None] - self.boxes[:, :2]
        cosine, sine = self._axis[:, 0], self._axis[:, 1]
        x, y = offset[..., 0], offset[..., 1]
        return np.stack([x * cosine + y * sine, y * cosine - x * sine], axis=-1)

    def _from_boxes(self, vectors: Points) -> Points:
        """Directions (N, B, 2) in the frames of the boxes, in the world's."""
        cosine, sine = self._axis[:, 0], self._axis[:, 1]
        x, y = vectors[..., 0], vectors[..., 1]
        return np.stack([x * cosine - y * sine, y * cosine + x * sine], axis=-1)


def _shortest(
    first: NDArray[np.float64], between: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Dijkstra over a table: lengths (V,) to every node, and the node before it (-1: the start)."""
    best, before = first.copy(), np.full(len(first), -1)
    open_ = np.isfinite(between).any(axis=1) | np.isfinite(first)
    for _ in range(len(first)):
        candidates = np.where(open_, best, np.inf)
        node = int(np.argmin(candidates))
        if not np.isfinite(candidates[node]):
            break
        open_[node] = False
        through = best[node] + between[node]
        better = through < best
        best[better], before[better] = through[better], node
    return best, before
