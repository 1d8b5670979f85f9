"""Finding and running the benches: they lie beside the source, and inside an installed wheel."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from wayscan.names import expect_one_of

PACKAGE = Path(__file__).parent


def run_bench(name: str, json: bool) -> int:
    """Run a bench by name and print its report; 1 if a result was wrong."""
    return _find(name).run(json=json)


def _find(name: str) -> ModuleType:
    folder, package = PACKAGE / "benchmarks", "wayscan.benchmarks"
    if not folder.is_dir():
        folder, package = PACKAGE.parent.parent / "benchmarks", "benchmarks"
        if str(folder.parent) not in sys.path:
            sys.path.insert(0, str(folder.parent))
    names = sorted(path.stem for path in folder.glob("*.py") if "def run(" in path.read_text())
    return importlib.import_module(f"{package}.{expect_one_of('bench', name, names)}")
