"""Walks to look at: what the robot sees while the expert follows, and the same from above."""

from collections.abc import Iterator

import numpy as np

from wayscan.data.drawing import GREEN
from wayscan.world.following.expert import Expert
from wayscan.world.following.pursuit import DT, Pursuit
from wayscan.world.following.tasks import SPLITS, FollowSpec, draw_task
from wayscan.world.gallery.story import Box, Moment, Story, View
from wayscan.world.render.boxes import instance_boxes

SIDE = 256  # pixels


def stories(seed: int, count: int) -> Iterator[Story]:
    """`count` walks of a seed, the splits in turn."""
    for index in range(count):
        split = SPLITS[index % len(SPLITS)]
        rng = np.random.default_rng((seed, index, 4))
        pursuit, expert = Pursuit(draw_task(rng, split), FollowSpec(width=SIDE, height=SIDE)), Expert()
        moments: list[Moment] = []
        while pursuit.status == "running":
            moments.append(_moment(pursuit))
            pursuit.step(expert(pursuit))
        yield Story(name=f"{split}-{seed}-{index}", moments=moments, rate=1 / DT)


def _moment(pursuit: Pursuit) -> Moment:
    view = pursuit.look()
    box = instance_boxes(pursuit.scene(), pursuit.camera, view.ids).boxes[0]
    words = pursuit.task.instruction if pursuit.step_count < 1 / DT else _status(pursuit)
    robot = View(image=view.image, boxes=(Box(box, "", GREEN),), words=words)
    return {"robot": robot, "above": View(image=pursuit.look_down(SIDE))}


def _status(pursuit: Pursuit) -> str:
    follows = "following" if pursuit.following else "not following"
    return f"{pursuit.step_count * DT:.1f} s  {pursuit.distance:.1f} m  {follows}"
