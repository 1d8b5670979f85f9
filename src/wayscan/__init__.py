"""wayscan: selective-scan (Mamba) sequence models that turn frames into motion."""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wayscan.ops import selective_scan as selective_scan
    from wayscan.ops import selective_step as selective_step
    from wayscan.warming import warmup as warmup
else:
    __getattr__, __dir__ = lazy_names(
        __name__, {"selective_scan": ".ops", "selective_step": ".ops", "warmup": ".warming"}
    )
