"""The world's compiled kernels: which files they are made of, and how to get at them.

    visibility = compiled("render.visibility")  # a module of the world, compiled or from the cache

A module of kernels is imported so and in no other way, or its kernels are cached elsewhere.
"""

from pathlib import Path
from types import ModuleType

from wayscan.ops.kernel_cache import KernelSet

_BELOW = ("ops/simd.py", "world/scene.py", "world/cameras.py")  # vectors, layouts of tables


def _kernel_files() -> tuple[str, ...]:
    """Every file of the world with numba in it: whoever adds a kernel need not tell anybody."""
    world = Path(__file__).parent
    return tuple(
        file.relative_to(world.parent).as_posix()
        for file in sorted(world.rglob("*.py"))
        if "\nfrom numba" in file.read_text(encoding="utf-8")
    )


KERNELS = KernelSet(package="wayscan", sources=(*_BELOW, *_kernel_files()))


def compiled(module: str) -> ModuleType:
    """A module of kernels of the world, by its name below `wayscan.world`."""
    return KERNELS.compiled(f"world.{module}")


def warmup() -> None:
    """Compile the renderer's kernels, or load them."""
    for kernels in ("rectangles", "visibility", "holding", "shadows", "shading"):
        compiled(f"render.{kernels}")
