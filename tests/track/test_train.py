"""Where records come from, how a run is put together, and that it learns from a folder of recorded clips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wayscan.data.formats.got10k import write_split
from wayscan.data.records import Clip
from wayscan.data.runs.folder import Run
from wayscan.track.clip_pairs import ClipPairSpec, pair_from_clip, usable_frames
from wayscan.track.config import LossConfig
from wayscan.track.data import to_tensors
from wayscan.track.model import TrackModel
from wayscan.track.pair_stage import LossCourse, examine
from wayscan.track.run import Tracker
from wayscan.track.sources import Films, Mixture, Pairs, RecordedClips, Share, clip_source
from wayscan.track.train import build, finish, trainer
from wayscan.track.train_config import TrackTrainConfig
from wayscan.train.determinism import generator
from wayscan.train.task import StepReport
from wayscan.world.sprites.library import Sources, library_for
from wayscan.world.sprites.pairs import PairSpec, training_sample

SMALL = {
    "preset": "nano", "width": 48, "depth": 1, "states": 4, "stem_width": 32, "dense_width": 16,
    "template_size": 32, "search_size": 64, "threads": 1, "device": "cpu", "progress": False,
}  # fmt: skip
CROPS = ClipPairSpec(template_size=32, search_size=64)
FEW = Sources(packaged=False, textures=4)


def simple_clip(index: int, frames: int = 12) -> Clip:
    """A bright or dark rectangle that wanders over grey noise."""
    rng = np.random.default_rng(index)
    video = rng.integers(90, 130, (frames, 64, 80, 3)).astype(np.uint8)
    w, h = rng.integers(10, 18, 2)
    path = rng.uniform([4, 4], [72 - w, 56 - h]) + np.cumsum(rng.normal(0, 1.2, (frames, 2)), axis=0)
    path = np.clip(path, 0, [80 - w, 64 - h]).round()
    colour = rng.choice([20, 235], 3)
    for picture, (x, y) in zip(video, path.astype(int), strict=True):
        picture[y : y + h, x : x + w] = colour
    boxes = np.concatenate([path, np.tile([w, h], (frames, 1))], axis=1).astype(float)
    return Clip(name=f"simple-{index:03d}", frames=video, boxes=boxes, source="test", synthetic=True)


def test_pairs_from_clips_show_what_they_say():
    """The crops are those of the frames: the target's colour lies where the boxes are."""
    rng = np.random.default_rng(0)
    for index in range(30):
        sample = pair_from_clip(rng, simple_clip(index), replace(CROPS, grey_share=0.0))
        x1, y1, x2, y2 = sample["box"] * 64
        inside = (
            np.s_[int(max(y1, 0)) + 3 : int(min(y2, 64)) - 2],
            np.s_[int(max(x1, 0)) + 3 : int(min(x2, 64)) - 2],
        )
        target, template = sample["search"][inside], sample["first"][14:18, 14:18]
        if target.size:
            np.testing.assert_allclose(
                target.reshape(-1, 3).mean(0), template.reshape(-1, 3).mean(0), atol=12
            )
        assert sample["past"].shape == (7, 4)
        assert (sample["past"][..., 2:] >= sample["past"][..., :2]).all()
        # What the tracker believes lies in the middle of its crop.
        if np.all(np.abs(sample["past"][-1]) < 1.4):
            np.testing.assert_allclose(sample["past"][-1].reshape(2, 2).mean(0), 0.5, atol=0.02)


def test_they_have_the_arrays_of_the_sprites():
    spec = PairSpec(template_size=32, search_size=64, sources=FEW)
    expected = training_sample(1, 0, spec, library_for(FEW))
    found = pair_from_clip(np.random.default_rng(0), simple_clip(0), CROPS)
    assert {name: (x.shape, x.dtype) for name, x in found.items()} == {
        name: (x.shape, x.dtype) for name, x in expected.items()
    }


def test_time_runs_forwards_within_the_gap():
    clip = simple_clip(0, frames=60)
    numbered = replace(
        clip,
        frames=np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None, None], (60, 64, 80, 3)).copy(),
    )
    for seed in range(30):
        sample = pair_from_clip(np.random.default_rng(seed), numbered, replace(CROPS, gap=10, grey_share=0))
        first, later, now = (int(sample[name].max()) for name in ("first", "dynamic", "search"))
        assert first <= later < now <= first + 10


def test_frames_without_the_target_are_not_used():
    clip = simple_clip(0)
    absent = np.zeros(12, dtype=bool)
    absent[3:6] = True
    visible = np.where(np.arange(12) == 8, 0.05, 1.0)
    boxes = clip.boxes.copy()
    boxes[10] = np.nan
    clip = replace(clip, absent=absent, visible=visible, boxes=boxes)
    assert usable_frames(clip).tolist() == [0, 1, 2, 6, 7, 9, 11]


def test_a_mixture_draws_by_weight_and_repeats():
    one, other = (RecordedClips(name, [simple_clip(k)], CROPS) for k, name in enumerate(("one", "other")))
    mixture = Mixture([Share(3.0, one), Share(1.0, other), Share(0.0, one)])
    names = [mixture.clip(7, index).name for index in range(400)]
    assert 0.68 < names.count("simple-000") / 400 < 0.82
    assert names == [mixture.clip(7, index).name for index in range(400)]
    pairs = Pairs(mixture, 10)
    a, b = (pairs.record(3, generator("record", 3)) for _ in range(2))
    np.testing.assert_array_equal(a["search"], b["search"])
    assert "one" in pairs.fingerprint()
    with pytest.raises(ValueError, match="weight above 0"):
        Mixture([Share(0.0, one)])


def test_films_are_rendered_once_and_mixed_with_the_sprites():
    films = Films(seed=5, count=2, frames=3)
    assert films[1] is films[1]
    assert not np.array_equal(films[0].frames, films[1].frames)
    config = TrackTrainConfig(stage="sequence", films=2, clip_frames=3).resolved()
    drawn = [clip_source(config).clip(0, index).source for index in range(12)]
    assert {source.split()[1] for source in drawn} == {"films", "sprites"}


def test_clips_that_show_nothing_are_passed_over_or_refused():
    empty = replace(simple_clip(0), absent=np.ones(12, dtype=bool))
    source = RecordedClips("two", [empty, simple_clip(1)], CROPS)
    assert {source.clip(0, index).name for index in range(10)} == {"simple-001"}
    with pytest.raises(ValueError, match="two frames that show the target"):
        RecordedClips("none", [empty], CROPS).clip(0, 0)


def test_it_learns_from_a_folder_of_clips(tmp_path: Path):
    """GOT-10k's layout in, a tracker out that beats the last box on clips it has not seen."""
    library_for(FEW).save(tmp_path / "sprites.npz")
    write_split([simple_clip(k) for k in range(24)], tmp_path / "data", "train")
    config = TrackTrainConfig(
        **SMALL, run=tmp_path / "run", got10k=tmp_path / "data", sprites_weight=0.0, pairs_per_epoch=2400,
        batch_size=16, epochs=1, learning_rate=5e-3, average_decay=0.95, evaluate_every=10_000, held_out=16,
        cache=tmp_path / "sprites.npz",
    )  # fmt: skip
    built = trainer(config)
    result = built.fit()
    assert "finished: iou" in finish(result, built.model, Tracker(built.model).loop)
    tracker = Tracker.from_pretrained(tmp_path / "run" / "model")
    rng = np.random.default_rng(1)
    held_out = [pair_from_clip(rng, simple_clip(1000 + k), CROPS) for k in range(128)]
    batch = {name: np.stack([sample[name] for sample in held_out]) for name in held_out[0]}
    found = examine(tracker.model, [to_tensors(batch)])
    assert found["iou"] > found["iou_past"] + 0.05, found
    assert Run.open(tmp_path / "run").about["config"]["learning_rate"] == 5e-3


def test_the_course_of_the_weights_survives():
    course = LossCourse(((0.0, LossConfig()), (0.5, LossConfig(coordinates=0))), steps=10)
    report = StepReport(5, 0.0, {}, {}, 0.0, {}, (), False, ())
    assert course.weights.coordinates == 1
    course.after_step(report, torch.nn.Identity())
    assert course.weights.coordinates == 0
    resumed = LossCourse(course.phases, steps=10)
    resumed.load_state_dict(course.state_dict())
    assert resumed.weights == course.weights


def test_what_a_run_begins_with(tmp_path: Path):
    network = TrackTrainConfig(**SMALL).network()
    torch.manual_seed(0)
    small = Tracker(TrackModel(network))
    folder = str(small.save_pretrained(tmp_path / "small"))
    again = build(TrackTrainConfig(**SMALL, init=folder))
    for name, weight in again.state_dict().items():
        torch.testing.assert_close(weight, small.model.state_dict()[name].bfloat16().float())
    wider = {**SMALL, "width": 64}
    with pytest.raises(ValueError, match="width"):
        build(TrackTrainConfig(**wider, init=folder))
    assert build(TrackTrainConfig(**wider, init=folder, grow=True)).config.width == 64
    with pytest.raises(ValueError, match="give init"):
        build(TrackTrainConfig(**SMALL, stage="sequence"))
    first, second = (build(TrackTrainConfig(**SMALL, seed=seed)).state_dict() for seed in (0, 1))
    assert not torch.equal(first["words.weight"], second["words.weight"])


def test_zero_output_projections_unless_pretrained(tmp_path: Path):
    """Blocks begin as the identity; weights that are loaded are not zeroed again."""
    scratch = build(TrackTrainConfig(**SMALL))
    name = "blocks.0.mixer.out_proj.weight"
    assert scratch.get_parameter(name).abs().max() == 0
    torch.nn.init.ones_(scratch.get_parameter(name))
    folder = Tracker(scratch).save_pretrained(tmp_path / "trained")
    assert build(TrackTrainConfig(**SMALL, init=str(folder))).get_parameter(name).min() == 1
