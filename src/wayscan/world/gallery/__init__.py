"""To look at: each data set and trial of the world as pictures and videos with the truth drawn in.

story = next(clips.stories(seed=3, count=1))
hang([story], out, "clips")   # clips.png and clips.mp4
"""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {"Moment": ".story", "Story": ".story", "View": ".story", "hang": ".story", "log_rerun": ".story"},
)
