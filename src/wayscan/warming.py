"""Compiling all kernels ahead: once at start-up, or in an image's build."""

import importlib
from importlib.util import find_spec

# Where kernels are, and what must be installed for them. By name: nothing is imported before it is wanted.
_NEEDS = {"wayscan.world.kernels": "numba", "wayscan.ops": "torch"}


def warmup() -> None:
    """Compile the kernels of the world and, where torch is installed, of the scan, or load them."""
    for module, needed in _NEEDS.items():
        if find_spec(needed) is not None:
            importlib.import_module(module).warmup()
