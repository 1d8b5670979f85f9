"""The exported graphs say what torch says, and do not grow with the sequence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wayscan.track.config import LoopConfig, TrackConfig, preset
from wayscan.track.model import TrackModel
from wayscan.track.open import open_tracker
from wayscan.track.run import Tracker

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from wayscan.track.export import export_tracker, parity
from wayscan.track.onnx import OnnxTracker

SMALL = {"width": 32, "depth": 1, "dense_width": 8}
CONFIGS = {
    "dense head": replace(preset("nano"), stem_width=16, **SMALL),
    "tokens, no past, patches": TrackConfig(
        width=32, depth=1, template_size=32, search_size=64, mask_decoder=False, past=0
    ),
}


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda name: name)
def exported(request, tmp_path_factory):
    torch.manual_seed(0)
    model = TrackModel(CONFIGS[request.param])
    for block in model.blocks:  # as they begin the blocks would be the identity
        torch.nn.init.normal_(block.mixer.out_proj.weight, std=0.1)
    folder = tmp_path_factory.mktemp("exported")
    Tracker(model, LoopConfig(window=0.1)).save_pretrained(folder / "model")
    return folder, export_tracker(folder / "model", folder / "onnx")


def test_parity_on_random_pictures_and_on_a_clip(exported):
    folder, _ = exported
    assert max(parity(folder / "model", folder / "onnx", pictures=3, frames=8).values()) < 1e-4


def test_one_loop_two_networks(exported):
    folder, _ = exported
    tracker = open_tracker(folder / "onnx")
    assert isinstance(tracker, OnnxTracker)
    assert tracker.loop == LoopConfig(window=0.1)
    frames = np.random.default_rng(0).integers(0, 256, (3, 90, 120, 3), dtype=np.uint8)
    ours = Tracker.from_pretrained(folder / "model")
    for each in (tracker, ours):
        each.start(frames[0], (30, 30, 20, 20))
    for frame in frames[1:]:
        a, b = tracker.step(frame), ours.step(frame)
        np.testing.assert_allclose(a.box, b.box, atol=0.05)
        assert a.score == pytest.approx(b.score, abs=1e-4)


def test_the_graph_does_not_unroll(exported):
    """A hundred and twenty-nine steps a scan would show."""
    _, written = exported
    assert written["nodes"] < 400
    assert written["bytes"] < 2e6


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no track\.json"):
        OnnxTracker.from_folder(tmp_path)
