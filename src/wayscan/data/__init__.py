"""Data: neutral records, the formats they are read from and written to, runs, videos."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Clip": ".records",
        "Episode": ".records",
        "FORMATS": ".formats.registry",
        "Frame": ".records",
        "ImageFiles": ".footage",
        "Lens": ".records",
        "VideoFile": ".video",
        "Window": ".windows",
        "find_data": ".locate",
        "open_data": ".locate",
        "open_source": ".sources",
        "read_frames": ".video",
        "read_image": ".images",
        "write_video": ".video",
    },
)
