"""The embedded world: seeded scenes, sprites, cameras and moving things, with no download."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClipSpec": ".sprites",
        "PairSpec": ".sprites",
        "Sources": ".sprites",
        "make_clip": ".sprites",
        "training_batch": ".sprites",
    },
)
