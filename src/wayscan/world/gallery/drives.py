"""Drives to look at: both cameras, the ego's way to come, and who else is there."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wayscan.data.drawing import BLUE, GREEN, RED
from wayscan.data.records import Episode
from wayscan.world.drives import DT, NOW, Drive, stage_drive
from wayscan.world.gallery.story import Box, Path2D, Story, View
from wayscan.world.render.boxes import instance_boxes
from wayscan.world.render.picture import render

EVERY = 2  # steps of a drive between two frames of its video
LEAST_VISIBLE = 0.3  # of those that get a box; the one who decides always has one
CAMERAS = ("vehicle", "roadside")


def stories(seed: int, count: int) -> Iterator[Story]:
    """`count` drives of a seed, from two seconds before the decision to its end."""
    for index in range(count):
        drive = stage_drive(seed, index)
        episode = drive.episode()
        steps = range(0, len(episode), EVERY)
        moments = [{name: _view(drive, episode, name, k) for name in CAMERAS} for k in steps]
        yield Story(name=f"drive-{seed}-{index}", moments=moments, rate=1 / (DT * EVERY))


def _view(drive: Drive, episode: Episode, name: str, step: int) -> View:
    camera, scene = drive.camera(name, step), drive.scene(name, step)
    frame = render(scene, camera)
    found = instance_boxes(scene, camera, frame.ids)
    facts = episode.facts
    boxes = []
    for track in drive.names:
        number = drive.instance(track)
        decides, is_ego = track == facts.get("decider"), track == "ego"
        if decides or (found.visible[number] >= LEAST_VISIBLE and (is_ego or "walker" in track)):
            words = track if decides or is_ego else ""
            boxes.append(Box(found.boxes[number], words, RED if decides else GREEN if is_ego else BLUE))
    way = episode.poses[step:, :2]
    pixels, _ = camera.project(np.column_stack([way, np.zeros(len(way))]))
    return View(
        image=frame.image,
        boxes=tuple(boxes),
        paths=(Path2D(pixels),),
        words=_words(facts, name, step),
    )


def _words(facts: Mapping[str, Any], name: str, step: int) -> str:
    when = DT * (step - NOW)
    if name == "vehicle":
        return f"{when:+.1f} s {facts['kind']}: {facts['reason']}"
    return f"decided by {facts['decided_by']}"
