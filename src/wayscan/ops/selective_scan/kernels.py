"""Which files the scan's kernels are made of, and how to get at them."""

from types import ModuleType

from wayscan.ops.kernel_cache import KernelSet

_OWN = ("tiles.py", "problem.py", "cpu.py", "cpu_backward.py", "step.py")
KERNELS = KernelSet(package="wayscan.ops", sources=("simd.py", *(f"selective_scan/{name}" for name in _OWN)))


def compiled(module: str) -> ModuleType:
    """A module of the scan's kernels, by its name in this folder."""
    return KERNELS.compiled(f"selective_scan.{module}")
