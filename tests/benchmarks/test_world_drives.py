"""The bench of drives: predictors are what they say, and faulty paths are found."""

from dataclasses import replace

import numpy as np
from benchmarks.world_drives import (
    DT,
    FUTURE,
    Sample,
    check,
    claims_of,
    errors,
    predictors,
    sample,
    slices,
)

from wayscan.geometry.poses import integrate_unicycle, to_ego


def on_circles(rates: np.ndarray, speed: float = 8.0) -> Sample:
    """Drives of steady speed and turn rate."""
    count, steps = len(rates), 21 + FUTURE
    turning = np.broadcast_to(rates[:, None], (count, steps))
    poses = integrate_unicycle(np.zeros((count, 3)), np.full((count, steps), speed), turning, DT)
    own = to_ego(poses, poses[:, 20:21])
    words = np.full(count, "straight")
    return Sample(
        history=own[:, :21],
        future=own[:, 21:, :2],
        kind=words,
        reason=words,
        decided_by=np.full(count, "vehicle"),
        command=words,
    )


def test_predictors_are_exact_where_they_should_be() -> None:
    straight, circles = on_circles(np.zeros(6)), on_circles(np.linspace(-0.3, 0.3, 6))
    found = errors(straight, predictors(straight))
    assert all(found[name].max() < 1e-6 for name in ("mean", "CV", "CTRV"))
    found = errors(circles, predictors(circles))
    assert found["CTRV"].max() < 2e-3  # the last step's chord stands for its arc
    assert found["CV"].max() > 5


def test_faults_are_found() -> None:
    drives = on_circles(np.zeros(4))
    assert check(drives) == []
    assert check(replace(drives, future=-drives.future)) == ["backwards"]
    assert "faster than 45 m/s" in check(replace(drives, future=10 * drives.future))
    shifted = replace(drives, future=drives.future + np.array([5.0, 0.0]))
    assert "not from zero" in check(shifted)


def test_a_block_of_drives_has_its_shares_and_no_faults() -> None:
    drives = sample("examples", 20)
    assert check(drives) == []
    shares = {name: chosen.mean() for name, chosen in slices(drives).items()}
    assert shares["straight"] == shares["braking"] == 0.35
    assert shares["braking, the roadside sees why"] == 0.2
    claims = claims_of(drives, errors(drives, predictors(drives)))
    assert len({claim.name for claim in claims}) == len(claims)
