"""The world's page works as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "world.md"


def test_python_blocks_run():
    pytest.importorskip("gymnasium")
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(block, names)
    assert names["frame"].image.shape == (128, 128, 3)
    assert names["boxes"].shape == (2, 4)
    assert (names["visible"] > 0.5).all()
    assert names["observation"]["depth"].shape == (4, 1, 128, 128)
