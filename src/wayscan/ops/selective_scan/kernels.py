"""Which files the scan's kernels are made of."""

from wayscan.ops.kernel_cache import KernelSet

_OWN = ("tiles.py", "problem.py", "cpu.py", "cpu_backward.py", "step.py")
KERNELS = KernelSet(package="wayscan.ops", sources=("simd.py", *(f"selective_scan/{name}" for name in _OWN)))
