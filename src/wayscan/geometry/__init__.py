"""The vocabulary of motion: boxes, poses, waypoints, all NumPy."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CropRegion": ".boxes",
        "crop_image": ".boxes",
        "crop_region": ".boxes",
        "from_ego": ".poses",
        "iou": ".boxes",
        "to_ego": ".poses",
    },
)
