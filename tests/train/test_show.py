"""`wayscan show RUN`."""

from pathlib import Path

import pytest
from matplotlib import font_manager

from wayscan.data.runs.folder import Run, RunState
from wayscan.train.show import draw_curves, panels_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", config={})
    for step in range(1, 400):
        metrics = {
            "loss": 40 / step,
            "parts/box": 1.0,
            "gradient_norm": 2.0,
            "rate/head": 1e-3,
            "rate/backbone": 1e-4,
        }
        run.metrics.append(
            step, {"epoch": step / 9, **metrics, **({"skipped_records": [3]} if step == 7 else {})}
        )
        if step % 50 == 0:
            run.metrics.append(
                step, {"validation/loss": 50 / step, "validation/box": float("nan"), "sr50": 0.5}
            )
    run.write_state(
        RunState("finished", 399, 399, {"metric": "validation/loss", "value": 50 / 350, "step": 350})
    )
    return run


def test_panels_put_together_what_belongs_together(run: Run):
    panels = {panel.title: set(panel.curves) for panel in panels_of(run.metrics.read())}
    assert panels == {
        "loss": {"training", "validation"}, "box": {"training", "validation"}, "sr50": {""},
        "gradient norm": {""},
        "learning rate": {"head", "backbone"},
    }  # fmt: skip
    assert next(iter(panels)) == "loss"


def test_a_picture(run: Run, tmp_path: Path):
    out = draw_curves(run.path, tmp_path / "figures" / "curves.png")
    from matplotlib.image import imread

    height, width, _ = imread(out).shape
    assert height > 400
    assert width > 1000


def test_a_picture_of_a_run_that_has_only_begun(tmp_path: Path):
    run = Run.create(tmp_path / "run", config={})
    with pytest.raises(ValueError, match="measured nothing yet"):
        draw_curves(run.path, tmp_path / "a.png")
    run.metrics.append(1, {"loss": float("nan")})
    assert draw_curves(run.path, tmp_path / "a.png").exists()
    with pytest.raises(ValueError, match="not a run folder"):
        draw_curves(tmp_path / "nowhere", tmp_path / "a.png")


def test_languages(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="language is 'fr'; expected one of en, zh"):
        draw_curves(run.path, tmp_path / "a.png", "fr")  # type: ignore[arg-type]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    with pytest.raises(ValueError, match=r"no font with Chinese glyphs.*use language 'en'"):
        draw_curves(run.path, tmp_path / "a.png", "zh")
