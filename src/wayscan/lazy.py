"""Packages whose names are imported when they are first used (PEP 562).

`import wayscan` must cost milliseconds and must work where torch is absent, so every package
`__init__` lists where its public names live instead of importing them.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

from wayscan.names import nearest


def lazy_names(
    package: str, homes: dict[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package whose public names live in other modules.

    A public name may be that of the module it lives in (`wayscan.ops.selective_scan` is the function, and
    `from wayscan.ops.selective_scan import reference` works all the same).

    Args:
        package: the package's own `__name__`.
        homes: public name → module that defines it, relative to the package (".mamba").
    """

    def find(name: str) -> object:
        return getattr(importlib.import_module(homes[name], package), name)

    def __getattr__(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; {nearest(name, homes)}")
        return find(name)

    def __dir__() -> list[str]:
        return sorted(homes)

    # Importing a module binds its name in the package; a property outranks that binding.
    def leave_it(_package: ModuleType, _module: object) -> None: ...

    same = {
        name: property(lambda _, name=name: find(name), leave_it)
        for name in homes
        if homes[name] == f".{name}"
    }
    if same:
        sys.modules[package].__class__ = type("LazyPackage", (ModuleType,), same)
    return __getattr__, __dir__
