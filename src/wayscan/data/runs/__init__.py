"""The folder of a run: what was asked, what came of it, and the checkpoints to go on from. Needs no torch."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Run": ".folder",
        "RunState": ".folder",
        "Journal": ".journal",
        "CheckpointFolder": ".checkpoints",
        "RunLock": ".lock",
        "Row": ".listing",
        "list_runs": ".listing",
        "table": ".listing",
        "provenance": ".provenance",
        "hash_file": ".provenance",
        "hash_files": ".provenance",
        "build_settings": ".settings",
        "differences": ".settings",
        "difference_table": ".settings",
        "free_keys": ".settings",
        "plain": ".settings",
        "read_settings": ".reading",
    },
)
