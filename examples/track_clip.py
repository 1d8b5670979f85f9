"""Track a target through a generated clip with the bundled model, beside a box that stays where it was.

python examples/track_clip.py [FOLDER]        with a folder: also writes a few frames with both boxes
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from wayscan.geometry.boxes import iou
from wayscan.track import Tracker
from wayscan.world.sprites import ClipSpec, Sources, library_for, make_clip

SEED, INDEX = 424242, 3

sources = Sources(packaged=False)  # procedural pictures only: nothing to install, nothing to download
clip = make_clip(
    SEED, INDEX, ClipSpec(height=192, width=256, frames=60, sources=sources), library_for(sources)
)
tracker = Tracker.from_pretrained("track-nano")

boxes = [tracker.start(clip.frames[0], clip.boxes[0]).box]
boxes += [tracker.step(frame).box for frame in clip.frames[1:]]
overlap = iou(np.stack(boxes), clip.boxes)
still = iou(np.broadcast_to(clip.boxes[0], clip.boxes.shape), clip.boxes)
print(f"mean overlap with the target: tracker {np.nanmean(overlap):.2f}, still box {np.nanmean(still):.2f}")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(0, len(boxes), 12):
        picture = np.ascontiguousarray(clip.frames[number][..., ::-1])
        for box, colour in ((clip.boxes[number], (255, 255, 255)), (boxes[number], (60, 200, 60))):
            if np.isfinite(box).all():
                x, y, w, h = np.rint(box).astype(int)
                cv2.rectangle(picture, (x, y), (x + w, y + h), colour, 2)
        cv2.imwrite(str(folder / f"{number:03d}.png"), picture)
