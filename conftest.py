"""Doctests leave the world's kernels alone: importing them outside their cache would compile them again."""

from pathlib import Path

collect_ignore = [
    str(file)
    for file in Path(__file__).parent.glob("src/wayscan/world/**/*.py")
    if "\nfrom numba" in file.read_text(encoding="utf-8")
]
