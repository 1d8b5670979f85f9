"""Follow a target through a video file: boxes.csv, a video with the box drawn in, a summary.

python examples/track_video.py [FOLDER]        the same as: wayscan track run clip.mp4 --box x,y,w,h
"""

import sys
import tempfile
from pathlib import Path

from wayscan.data.sources import open_source
from wayscan.data.video import write_video
from wayscan.track import Tracker
from wayscan.track.play import play
from wayscan.world.sprites import ClipSpec, Sources, library_for, make_clip

SEED, INDEX = 424242, 3

sources = Sources(
    packaged=False, textures=24
)  # procedural pictures only: nothing to install, nothing to download
clip = make_clip(SEED, INDEX, ClipSpec(frames=40, sources=sources), library_for(sources))

with tempfile.TemporaryDirectory() as place:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else place)
    write_video(folder / "clip.mp4", clip, fps=25)
    with open_source(folder / "clip.mp4") as source:
        summary = play(Tracker.from_pretrained("track-nano"), source, clip.boxes[0], folder)
    print(f"{summary.frames} frames, {summary.fps:.0f} a second, mean score {summary.mean_score:.2f}")
    print(*sorted(path.name for path in folder.iterdir()))
