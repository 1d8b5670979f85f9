"""Settings as plain data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from wayscan.data.runs.folder import Run
from wayscan.data.runs.reading import read_settings
from wayscan.data.runs.settings import (
    MAY_CHANGE,
    Difference,
    build_settings,
    difference_table,
    differences,
    free_keys,
    plain,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    width: int = 8
    kind: Literal["mamba", "gru"] = "mamba"


@dataclass(frozen=True, kw_only=True)
class Outer:
    rate: float = 1e-3
    inner: Inner = field(default_factory=Inner)
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.9, 0.99)
    place: Path | None = None
    workers: int = field(default=0, metadata=MAY_CHANGE)


def test_there_and_back():
    config = Outer(inner=Inner(width=3, kind="gru"), place=Path("a/b"), sizes=())
    assert build_settings(Outer, plain(config)) == config


def test_yaml(tmp_path: Path):
    (tmp_path / "c.yaml").write_text("rate: 1e-4\ninner: {width: 5}\nsizes: [7, 8]\nplace: null\n")
    expected = Outer(rate=1e-4, inner=Inner(width=5), sizes=(7, 8))
    assert build_settings(Outer, read_settings(tmp_path / "c.yaml")) == expected


def test_from_an_earlier_run(tmp_path: Path):
    Run.create(tmp_path / "run", config=Outer(rate=0.5))
    assert build_settings(Outer, read_settings(tmp_path / "run")) == Outer(rate=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rat": 1.0}, r"settings has no name 'rat'; did you mean rate"),
        ({"inner": {"widht": 1}}, r"settings\.inner has no name 'widht'; did you mean width"),
        (
            {"inner": {"kind": "manba"}},
            r"settings\.inner\.kind is 'manba'; expected one of .*; did you mean mamba",
        ),
        ({"inner": {"width": "wide"}}, r"settings\.inner\.width is 'wide' \(str\); expected int"),
        ({"inner": {"width": True}}, r"width is True \(bool\); expected int"),
        ({"inner": 3}, r"settings\.inner is 3 \(int\); expected Inner"),
        ({"rate": "fast"}, r"rate is 'fast' \(str\); expected float"),
        ({"pair": [1.0]}, r"pair has 1 values; expected 2"),
        ({"sizes": [1, "x"]}, r"sizes\[1\] is 'x'"),
        ({"place": 3}, r"place is 3 \(int\); expected Path"),
    ],
)
def test_errors_name_the_nearest(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        build_settings(Outer, settings)


@pytest.mark.parametrize(("text", "message"), [("- a", "expected a mapping"), ("a: [", "not valid YAML")])
def test_yaml_that_is_no_settings(tmp_path: Path, text: str, message: str):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_settings(tmp_path / "c.yaml")
    with pytest.raises(ValueError, match="do not exist"):
        read_settings(tmp_path / "d.yaml")


def test_differences_stand_side_by_side():
    rows = differences(
        plain(Outer()), plain(Outer(rate=2.0, inner=Inner(width=9), workers=4)), ignore=free_keys(Outer())
    )
    assert rows == [Difference("rate", 1e-3, 2.0), Difference("inner.width", 8, 9)]
    assert difference_table(rows).splitlines() == [
        "               the run  now",
        "  rate         0.001    2.0",
        "  inner.width  8        9",
    ]
    assert differences({"a": 1}, {"b": 2}) == [Difference("a", 1, None), Difference("b", None, 2)]
    assert "(absent)" in difference_table(differences({"a": 1}, {}))


def test_only_plain_values_are_settings():
    with pytest.raises(ValueError, match="of type function"):
        plain({"loss": test_yaml})
