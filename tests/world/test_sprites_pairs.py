"""Training samples: seeded by (seed, index) alone, labelled truly, and followable."""

import cv2
import numpy as np
import pytest

from wayscan.world.sprites.library import Library, Sources, build_library, library_for
from wayscan.world.sprites.pairs import PairSpec, strayed, training_batch
from wayscan.world.sprites.textures import dead_leaves

SOURCES = Sources(packaged=False, textures=6)
SPEC = PairSpec(sources=SOURCES)


@pytest.fixture(scope="module")
def library():
    return build_library(SOURCES)


@pytest.fixture(scope="module")
def batch(library):
    return training_batch(0, 0, 200, SPEC, library)


def test_samples_do_not_depend_on_the_batch(library, batch):
    parts = [training_batch(0, start, count, SPEC, library) for start, count in ((0, 3), (3, 1), (4, 4))]
    for name, whole in batch.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[:8])
    assert (training_batch(1, 0, 1, SPEC, library)["search"] != batch["search"][:1]).any()


def test_shapes_types_and_ranges(batch):
    shapes = {name: (array.shape[1:], array.dtype) for name, array in batch.items()}
    image, number = np.dtype(np.uint8), np.dtype(np.float32)
    assert shapes == {
        "first": ((64, 64, 3), image),
        "dynamic": ((64, 64, 3), image),
        "search": ((128, 128, 3), image),
        "template_boxes": ((2, 4), number),
        "past": ((7, 4), number),
        "box": ((4,), number),
        "present": ((), number),
        "visible": ((), number),
    }
    for array in batch.values():
        assert np.isfinite(array).all()
    assert batch["past"].min() >= -0.5
    assert batch["past"].max() <= 1.5
    assert ((batch["visible"] >= 0) & (batch["visible"] <= 1)).all()


def test_memory_ends_where_the_tracker_believes_and_was_often_as_far_off_all_along():
    path = np.repeat([[50.0, 40.0, 20.0, 10.0]], 7, axis=0)
    believed = np.array([58.0, 40.0, 30.0, 15.0])
    rng = np.random.default_rng(0)
    memories = np.stack([strayed(rng, path, believed) for _ in range(400)])
    np.testing.assert_allclose(memories[:, -1], np.broadcast_to(believed, (400, 4)), atol=1e-9)
    widths, centres = memories[:, 0, 2], memories[:, 0, 0] + memories[:, 0, 2] / 2
    for oldest, true, wrong in ((widths, 20, 30), (centres, 60, 73)):
        assert (oldest >= true - 1e-9).all()
        assert 0.4 < np.isclose(oldest, wrong).mean() < 0.6


def test_labels_agree(batch):
    present = batch["present"] == 1
    assert 0.75 < present.mean() < 0.95
    assert (batch["visible"][present] >= 0.15).all()
    assert batch["visible"][~present].mean() < 0.1
    box = batch["box"][present]
    centre = (box[:, :2] + box[:, 2:]) / 2
    assert (box[:, 2:] > box[:, :2]).all()
    assert (np.abs(centre - 0.5) < 0.75).all()
    sides = np.sqrt(np.prod(box[:, 2:] - box[:, :2], axis=1))
    assert 0.18 < np.median(sides) < 0.32
    first_boxes = batch["template_boxes"][:, 0]
    np.testing.assert_allclose((first_boxes[:, :2] + first_boxes[:, 2:]) / 2, 0.5, atol=0.15)


def test_all_samples_can_be_absent_or_present(library):
    absent = training_batch(2, 0, 40, PairSpec(absent_share=1.0, sources=SOURCES), library)
    assert absent["present"].sum() == 0
    assert absent["visible"].mean() < 0.05
    present = training_batch(
        2, 0, 40, PairSpec(absent_share=0.0, occluded_share=0.0, sources=SOURCES), library
    )
    assert present["present"].mean() > 0.9


def test_the_target_looks_like_its_template(library):
    """The dullest tracker there is, correlation with the template's middle, beats guessing the crop's
    centre."""
    spec = PairSpec(absent_share=0.0, occluded_share=0.0, wrong_share=0.0, sources=SOURCES)
    data = training_batch(3, 0, 150, spec, library)
    errors, guesses = [], []
    for first, search, box in zip(data["first"], data["search"], data["box"], strict=True):
        template = first[16:48, 16:48]  # 2x crop at 64 and 4x crop at 128 px have the same scale
        score = cv2.matchTemplate(search, template, cv2.TM_CCOEFF_NORMED)
        y, x = np.unravel_index(int(score.argmax()), score.shape)
        centre = (box[:2] + box[2:]) / 2 * 128
        errors.append(np.hypot(x + 16 - centre[0], y + 16 - centre[1]))
        guesses.append(np.hypot(64 - centre[0], 64 - centre[1]))
    assert np.median(errors) < 0.7 * np.median(guesses)
    assert np.mean(np.array(errors) < 10) > np.mean(np.array(guesses) < 10) + 0.1


@pytest.mark.parametrize("arguments", [(0, 0, 0), (0, -1, 2), (-1, 0, 2)])
def test_impossible_batches_are_refused(arguments):
    with pytest.raises(ValueError, match="expected seed, start >= 0"):
        training_batch(*arguments)


def test_impossible_specs_are_refused():
    with pytest.raises(ValueError, match="absent_share is 2"):
        PairSpec(absent_share=2)
    with pytest.raises(ValueError, match=">= 16"):
        PairSpec(search_size=8)


@pytest.fixture
def photographs(tmp_path):
    images, segments = tmp_path / "images", tmp_path / "segments"
    images.mkdir()
    segments.mkdir()
    for k in range(3):
        cv2.imwrite(str(images / f"{k}.png"), dead_leaves(np.random.default_rng(k), 120, 160))
        labels = np.zeros((120, 160), dtype=np.uint8)
        cv2.circle(labels, (60 + 10 * k, 60), 22, 1, -1)
        labels[80:110, 100:140] = 2
        cv2.imwrite(str(segments / f"{k}.png"), labels)
    return images, segments


def test_objects_come_from_folders_and_a_library_survives_its_file(photographs, tmp_path):
    images, segments = photographs
    sources = Sources(
        images=images, segments=segments, packaged=False, textures=2, cache=tmp_path / "library.npz"
    )
    built = library_for(sources)
    assert len(built.sprites_by_kind["object"]) >= 6
    assert len(built.scenes_by_nature[True]) == 3
    assert "3 photographs" in built.describe()
    loaded = Library.load(tmp_path / "library.npz")
    spec = PairSpec(sources=sources)
    first, again = (training_batch(5, 0, 12, spec, library) for library in (built, loaded))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


def test_photographs_without_segments_give_objects_too(photographs):
    library = build_library(Sources(images=photographs[0], packaged=False, textures=0, limit=2))
    assert len(library.scenes) == 2
    training_batch(0, 0, 6, SPEC, library)


def test_faulty_sources_are_named(photographs, tmp_path):
    images, segments = photographs
    (segments / "1.png").unlink()
    with pytest.raises(ValueError, match=r"segmentation .*1\.png is missing"):
        build_library(Sources(images=images, segments=segments, packaged=False))
    cv2.imwrite(str(segments / "1.png"), np.zeros((5, 5), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"1\.png is uint8 \(5, 5\)"):
        build_library(Sources(images=images, segments=segments, packaged=False))
    with pytest.raises(ValueError, match="is not a folder"):
        build_library(Sources(images=tmp_path / "none"))
    with pytest.raises(ValueError, match="give no scene"):
        build_library(Sources(packaged=False, textures=0))


def test_packaged_photographs_are_used_where_they_are_installed():
    pytest.importorskip("skimage")
    from wayscan.world.sprites.library import packaged_photographs

    names = {path.stem for path in packaged_photographs()}
    assert {"astronaut", "chelsea", "coffee"} <= names
