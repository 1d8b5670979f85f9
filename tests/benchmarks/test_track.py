"""The tracker's bench in small: what it claims, and that a wrong result is told and not timed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.claims import Findings

from benchmarks import track
from wayscan.track.config import preset
from wayscan.track.model import TrackModel
from wayscan.track.run import Tracker

TINY = replace(preset("nano"), width=32, depth=1, stem_width=16, dense_width=8)


@pytest.fixture
def small(monkeypatch):
    """Short clips, few of them, and a small network."""
    torch.manual_seed(0)
    network = TrackModel(TINY)
    monkeypatch.setattr(track.Tracker, "from_pretrained", classmethod(lambda cls, name: cls(network)))
    monkeypatch.setattr(track, "_random_model", lambda name: network)
    make = track.sprite_like_clips
    few = {"frames": 24}
    monkeypatch.setattr(track, "sprite_like_clips", lambda count, **about: make(1, **{**about, **few}))
    return Findings()


def names(findings):
    assert not findings.wrong
    assert all(np.isfinite(claim.value) for claim in findings.claims)
    return {claim.name for claim in findings.claims}


def test_speed(small):
    track.measure_speed(small)
    assert {"nano: frames a second", "nano: faster than CSRT", "tiny: frames a second"} <= names(small)


def test_boxes_that_do_not_repeat_are_not_timed(small, monkeypatch):
    step, rng = Tracker.step, np.random.default_rng(0)
    monkeypatch.setattr(Tracker, "step", lambda self, frame: step(self, frame)._replace(box=rng.random(4)))
    track.measure_speed(small)
    assert not small.claims
    assert "different boxes" in small.wrong[0].why


def test_shared_weights(monkeypatch):
    monkeypatch.setattr(track, "preset", lambda name: TINY)
    monkeypatch.setattr(track, "REPEATS", 2)
    findings = Findings()
    track.measure_shared(findings)
    assert names(findings) == {"base: shared weights run once, faster than run twice"}


def test_real_sequences_are_skipped_where_there_are_none(monkeypatch):
    monkeypatch.delenv("WAYSCAN_DATA", raising=False)
    findings = Findings()
    track.measure_real(findings)
    assert not findings.claims
    assert "WAYSCAN_DATA" in findings.not_measured[0].why


def test_weights_are_small():
    findings = Findings()
    track.measure_weights(findings)
    (claim,) = findings.claims
    assert claim.met
    assert "track-nano" in claim.against
