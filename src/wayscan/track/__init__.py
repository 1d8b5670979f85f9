"""ARTrackMamba: from a first box to a box in every frame of a video.

Rooms: config (presets, weights of the losses, the loop's settings, seeds); embed, attention, dense and model,
which are the network; coordinates, losses and data, by which it learns; frames and run, by which it follows;
metrics and evaluate.

Letters: B batch, D channels, L length of the sequence, N tokens of one picture, H W image or grid, T past
boxes, V bins of a coordinate.
"""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

if TYPE_CHECKING:
    from wayscan.track.config import PRESETS as PRESETS
    from wayscan.track.config import LoopConfig as LoopConfig
    from wayscan.track.config import LossConfig as LossConfig
    from wayscan.track.config import TrackConfig as TrackConfig
    from wayscan.track.loop import Track as Track
    from wayscan.track.model import TrackModel as TrackModel
    from wayscan.track.run import Tracker as Tracker
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "PRESETS": ".config",
            "LoopConfig": ".config",
            "LossConfig": ".config",
            "Track": ".loop",
            "TrackConfig": ".config",
            "TrackModel": ".model",
            "Tracker": ".run",
        },
    )
