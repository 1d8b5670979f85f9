"""Trained models as folders of config.json and model.safetensors, and the one way in for others' weights.

Reading and writing with NumPy works where torch is absent.
"""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

if TYPE_CHECKING:
    from wayscan.pretrained.conversion import ConversionReport as ConversionReport
    from wayscan.pretrained.conversion import convert as convert
    from wayscan.pretrained.folder import load_pretrained as load_pretrained
    from wayscan.pretrained.folder import save_pretrained as save_pretrained
    from wayscan.pretrained.locate import bundled_models as bundled_models
    from wayscan.pretrained.locate import find_pretrained as find_pretrained
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ConversionReport": ".conversion",
            "convert": ".conversion",
            "load_pretrained": ".folder",
            "save_pretrained": ".folder",
            "bundled_models": ".locate",
            "find_pretrained": ".locate",
        },
    )
