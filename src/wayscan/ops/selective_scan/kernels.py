"""Which files the scan's kernels are made of."""

from wayscan.ops.kernel_cache import KernelSet

KERNELS = KernelSet(
    package="wayscan.ops.selective_scan",
    sources=("simd.py", "tiles.py", "problem.py", "cpu.py", "cpu_backward.py", "step.py"),
)
