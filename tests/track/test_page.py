"""The Python of docs/track.md runs as it stands there."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "track.md"


def test_the_page_runs():
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for code in blocks:
        exec(compile(code, str(PAGE), "exec"), names)
    assert {"box", "score", "lost"} <= names.keys()
