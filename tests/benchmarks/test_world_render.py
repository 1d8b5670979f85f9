"""What the bench of the renderer compares, and that its parts run."""

import pytest
from benchmarks.claims import Findings
from benchmarks.world_render import disagreement, forest, measure_closed_forms, street

from wayscan.world.cameras import Camera
from wayscan.world.render import render


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (-0.3, 0.2)])
def test_the_forest_is_mujocos(pitch, roll):
    pytest.importorskip("mujoco")
    off, alone = disagreement(forest(3), Camera(width=64, height=64, pitch=pitch, roll=roll))
    assert off < 1e-3
    assert alone <= 1e-3


def test_the_street_can_be_seen():
    frame = render(street(), Camera(width=32, height=32, position=(0.0, 0.0, 1.6)))
    assert (frame.ids >= 0).mean() > 0.03


def test_errors_stay_below_their_goals():
    findings = Findings()
    measure_closed_forms(findings)
    assert all(claim.met for claim in findings.claims)
