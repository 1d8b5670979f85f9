"""Pure functions on tensors: no modules, no parameters."""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

if TYPE_CHECKING:
    from wayscan.ops.cross_scan import cross_merge as cross_merge
    from wayscan.ops.cross_scan import cross_order as cross_order
    from wayscan.ops.cross_scan import cross_scan as cross_scan
    from wayscan.ops.depthwise_conv import depthwise_conv1d as depthwise_conv1d
    from wayscan.ops.selective_scan.choose import selective_scan as selective_scan
    from wayscan.ops.selective_scan.choose import selective_step as selective_step
    from wayscan.ops.warming import warmup as warmup
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "depthwise_conv1d": ".depthwise_conv",
            "selective_scan": ".selective_scan",
            "selective_step": ".selective_scan",
            "warmup": ".warming",
            "cross_scan": ".cross_scan",
            "cross_merge": ".cross_scan",
            "cross_order": ".cross_scan",
        },
    )
