"""Data: neutral records, the formats they are read from and written to, runs, videos."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Clip": ".records",
        "Episode": ".records",
        "Frame": ".records",
        "ImageFiles": ".footage",
        "Lens": ".records",
        "read_image": ".images",
    },
)
