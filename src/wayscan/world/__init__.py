"""The embedded world: seeded scenes, sprites, cameras and moving things, with no download."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Camera": ".cameras",
        "ClipSpec": ".sprites",
        "InstanceBoxes": ".render",
        "PairSpec": ".sprites",
        "Scene": ".scene",
        "Sources": ".sprites",
        "depth_images": ".render",
        "instance_boxes": ".render",
        "make_clip": ".sprites",
        "make_drive": ".drives",
        "make_film": ".films",
        "make_follow": ".follows",
        "render": ".render",
        "render_all": ".render",
        "stream_clips": ".clips",
        "tracking_clip": ".clips",
        "training_batch": ".sprites",
        "warmup": ".kernels",
    },
)
