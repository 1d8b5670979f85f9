"""DAIR-V2X-C and V2X-Seq: round trips, gaps, missing halves, and faults that name file, entry and key."""

import json

import numpy as np
import pytest

from wayscan.data.formats import dair_v2x, v2x_seq
from wayscan.data.formats.rigid import inverse, upright
from wayscan.data.records import Episode, Lens

ROOMS = {"dair_v2x": dair_v2x, "v2x_seq": v2x_seq}
K = 6
CAMERA = np.array([[0.0, 0, 1, 1.5], [-1, 0, 0, 0.2], [0, -1, 0, 1.7], [0, 0, 0, 1]])


def episode(name="0007", *, roadside=True, **changes) -> Episode:
    times = np.arange(K) * 0.1
    poses = np.stack([430_000 + 9 * times, 4_400_000 + 2 * times, 3.05 + times], axis=1)
    poses[:, 2] = (poses[:, 2] + np.pi) % (2 * np.pi) - np.pi
    other = poses + np.array([12, 3, 0.1])
    other[4:] = np.nan
    frames = np.stack([np.full((12, 20, 3), 20 * k + 30, np.uint8) for k in range(K)])
    high = upright([430_010, 4_400_020, -1.0], 6.5) @ np.diag([1.0, 1, 1, 1]) @ CAMERA
    matrix = np.array([[900.0, 0, 10], [0, 910, 6], [0, 0, 1]])
    parts = {
        "name": name,
        "times": times,
        "poses": poses,
        "videos": {"vehicle": frames, **({"roadside": frames[::-1]} if roadside else {})},
        "lenses": {
            "vehicle": Lens(matrix=matrix, pose=CAMERA),
            **({"roadside": Lens(matrix=matrix * 1.1, pose=high, frame="world")} if roadside else {}),
        },
        "tracks": {"12": other},
        "sizes": {"12": (4.4, 1.9, 1.5)},
        "facts": {"types": {"12": "Van"}, "heights": np.full(K, 21.0)},
        "text": "drive on",
        "source": "made here",
        "synthetic": True,
    }
    return Episode(**{**parts, **changes})


def change(path, function):
    values = json.loads(path.read_text())
    path.write_text(json.dumps(function(values) or values))


def same_angle(a, b):
    np.testing.assert_allclose(np.exp(1j * np.asarray(a)), np.exp(1j * np.asarray(b)), atol=1e-3)


@pytest.mark.parametrize("name", ROOMS)
def test_round_trip(tmp_path, name):
    room, first = ROOMS[name], episode()
    assert room.write_episodes([first, episode("0008", roadside=False)], tmp_path) == 2
    again, alone = room.read_episodes(tmp_path)
    assert (again.name, again.text, again.source, again.synthetic) == ("0007", "drive on", "made here", True)
    np.testing.assert_allclose(again.times, first.times, atol=1e-9)
    np.testing.assert_allclose(again.poses[:, :2], first.poses[:, :2], atol=1e-3)
    same_angle(again.poses[:, 2], first.poses[:, 2])
    np.testing.assert_allclose(again.tracks["12"][:, :2], first.tracks["12"][:, :2], atol=1e-3)
    same_angle(again.tracks["12"][:4, 2], first.tracks["12"][:4, 2])
    assert again.sizes == {"12": pytest.approx((4.4, 1.9, 1.5))}
    assert again.facts["types"] == {"12": "Van"}
    assert again.facts["lacks"] == ()
    np.testing.assert_allclose(again.facts["heights"], 21)
    for side, lens in first.lenses.items():
        np.testing.assert_allclose(again.lenses[side].matrix, lens.matrix, atol=1e-9)
        np.testing.assert_allclose(again.lenses[side].pose, lens.pose, atol=1e-3)
        assert again.lenses[side].frame == lens.frame
    for side, video in first.videos.items():
        assert np.abs(np.stack(list(again.videos[side])).astype(int) - video).max() <= 2
    assert set(alone.videos) == {"vehicle"}
    assert alone.facts["lacks"] == ("roadside images", "roadside calibration")


@pytest.mark.parametrize("name", ROOMS)
def test_pictures_may_be_missing(tmp_path, name):
    ROOMS[name].write_episodes([episode()], tmp_path)
    (tmp_path / "infrastructure-side/image/000002.jpg").unlink()
    for path in (tmp_path / "vehicle-side/image").iterdir():
        path.unlink()
    (again,) = ROOMS[name].read_episodes(tmp_path)
    assert again.facts["lacks"] == ("vehicle images", "roadside images of 1 of 6 frames")
    shown = [int(frame.mean()) for frame in again.videos["roadside"]]
    assert shown == pytest.approx([130, 110, 110, 70, 50, 30], abs=2)


def test_the_vehicle_alone_is_enough(tmp_path):
    dair_v2x.write_episodes([episode()], tmp_path)
    for side in ("cooperative", "infrastructure-side"):
        (tmp_path / side / "data_info.json").unlink()
    (again,) = dair_v2x.read_episodes(tmp_path)
    assert again.facts["lacks"] == ("roadside images", "cooperative labels", "roadside calibration")
    assert len(again) == K
    assert not again.tracks


def test_recordings_are_sorted_by_time_cut_at_gaps_and_put_on_the_grid(tmp_path):
    """Frames at 0, .07, .21, .3 | 2.0 (alone) | 4.0, 4.1 seconds, listed backwards."""
    dair_v2x.write_episodes([episode(), episode("x"), episode("y")], tmp_path)
    seconds = [0, 0.07, 0.21, 0.3, 2.0, 4.0, 4.1]

    def mixed(entries):
        entries = entries[: len(seconds)]
        for entry, second in zip(entries, seconds, strict=True):
            entry.update(batch_id="7", image_timestamp=str(round(1.6e15 + second * 1e6)))
        return entries[::-1]

    change(tmp_path / "vehicle-side/data_info.json", mixed)
    first, second = dair_v2x.read_episodes(tmp_path)
    assert (first.name, second.name) == ("7.1", "7.2")
    np.testing.assert_allclose(first.times, [0, 0.1, 0.2, 0.3], atol=1e-9)
    assert first.facts["frames"] == ("000000", "000001", "000002", "000003")
    x = episode().poses[:, 0]
    assert first.poses[1, 0] == pytest.approx(x[1] + (0.03 / 0.14) * (x[2] - x[1]), abs=1e-6)
    assert len(second) == 2
    assert len(list(dair_v2x.read_episodes(tmp_path, max_gap=5.0))) == 1


def test_a_heading_that_wraps_is_mixed_the_short_way(tmp_path):
    dair_v2x.write_episodes([episode()], tmp_path)
    change(
        tmp_path / "vehicle-side/data_info.json",
        lambda entries: [entry for entry in entries if entry["image_path"] != "image/000001.jpg"],
    )
    (again,) = dair_v2x.read_episodes(tmp_path)
    same_angle(again.poses[:, 2], episode().poses[:, 2])


def test_files_wrapped_in_transform_and_flat_translations_are_read(tmp_path):
    dair_v2x.write_episodes([episode()], tmp_path)
    for path in (tmp_path / "vehicle-side/calib/novatel_to_world").iterdir():
        change(path, lambda values: {"transform": values})
    path = tmp_path / "vehicle-side/calib/lidar_to_camera/000000.json"
    change(path, lambda values: values | {"translation": [row[0] for row in values["translation"]]})
    change(
        tmp_path / "vehicle-side/calib/camera_intrinsic/000000.json",
        lambda values: {"cam_K": np.reshape(values["cam_K"], (3, 3)).tolist()},
    )
    (again,) = dair_v2x.read_episodes(tmp_path)
    np.testing.assert_allclose(again.poses, episode().poses, atol=1e-3)
    np.testing.assert_allclose(again.lenses["vehicle"].pose, CAMERA, atol=1e-9)


def test_objects_without_a_track_and_with_corners_in_the_world(tmp_path):
    dair_v2x.write_episodes([episode(tracks={}, sizes={}, facts={})], tmp_path)
    corner = np.array(
        [[x, y, z] for z in (0, 2) for x, y in ((2, 1), (2, -1), (-2, -1), (-2, 1))], dtype=float
    )
    turn = upright([100, 50, 2.0])
    label = {
        "type": "Car",
        "3d_dimensions": {"l": 4, "w": 2, "h": 2},
        "3d_location": {"x": 1, "y": 2, "z": 3},
        "rotation": 1.2,
        "world_8_points": (corner @ turn[:3, :3].T + turn[:3, 3]).tolist(),
    }
    folder = tmp_path / "cooperative/label_world"
    folder.mkdir()
    for k in range(0, K, 2):
        (folder / f"{k:06d}.json").write_text(json.dumps([label]))
    (again,) = dair_v2x.read_episodes(tmp_path)
    assert [len(boxes) for boxes in again.facts["boxes"]] == [1, 0] * 3
    np.testing.assert_allclose(again.facts["boxes"][0], [[100, 50, 1, 4, 2, 2, 2.0]], atol=1e-9)
    assert again.facts["box_types"][0] == ("Car",)
    assert not again.tracks
    dair_v2x.write_episodes([again], tmp_path / "copy")
    (copy,) = dair_v2x.read_episodes(tmp_path / "copy")
    np.testing.assert_allclose(copy.facts["boxes"][2], again.facts["boxes"][2], atol=1e-9)


def test_splits_are_by_recording(tmp_path):
    dair_v2x.write_episodes([episode("1"), episode("2")], tmp_path)
    with pytest.raises(ValueError, match="no cooperative-split-data"):
        dair_v2x.read_episodes(tmp_path, "val")
    split = {"batch_split": {"train": ["1"], "val": ["2"]}}
    (tmp_path / "cooperative-split-data.json").write_text(json.dumps(split))
    assert [record.name for record in dair_v2x.read_episodes(tmp_path, "val")] == ["2"]
    with pytest.raises(ValueError, match="did you mean train"):
        dair_v2x.read_episodes(tmp_path, "trian")


VEHICLE = "vehicle-side/data_info.json"
WORLD = "vehicle-side/calib/novatel_to_world/000003.json"
LABEL = "cooperative/label_world/000001.json"


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        (
            VEHICLE,
            lambda v: v[2].pop("batch_id") and None,
            r"data_info\.json, entry 2: key 'batch_id' is missing",
        ),
        (VEHICLE, lambda v: v[2].update(image_timestamp="soon"), r"entry 2: key 'image_timestamp' is 'soon'"),
        (VEHICLE, lambda v: v[2].update(image_timestamp=v[1]["image_timestamp"]), "the same image_timestamp"),
        (VEHICLE, lambda v: v.__setitem__(2, 5), r"entry 2: 5; expected an object"),
        (VEHICLE, lambda v: {"a": 1}, r"data_info\.json: .*; expected a list"),
        (WORLD, lambda v: v.pop("rotation") and None, r"000003\.json: key 'rotation' is missing"),
        (WORLD, lambda v: v.update(rotation=[[1, 2], [3, 4]]), r"key 'rotation' is .*; expected 3 × 3"),
        (WORLD, lambda v: v.update(rotation=[[2, 0, 0], [0, 1, 0], [0, 0, 1]]), "expected a rotation"),
        (LABEL, lambda v: v[0].update(rotation=None), r"000001\.json, entry 0: key 'rotation' is None"),
        (
            LABEL,
            lambda v: v[0]["3d_location"].pop("y") and None,
            r"entry 0, key '3d_location': key 'y' is missing",
        ),
        (LABEL, lambda v: v[0]["3d_dimensions"].update(l="long"), r"'3d_dimensions': key 'l' is 'long'"),
    ],
)
def test_faults_name_file_entry_and_key(tmp_path, file, damage, message):
    dair_v2x.write_episodes([episode()], tmp_path)
    change(tmp_path / file, damage)
    with pytest.raises(ValueError, match=message) as fault:
        list(dair_v2x.read_episodes(tmp_path))
    assert "\n" not in str(fault.value)


def test_broken_json_names_the_line(tmp_path):
    dair_v2x.write_episodes([episode()], tmp_path)
    (tmp_path / WORLD).write_text('{"rotation": [[1, 0, 0],\n [0, 1')
    with pytest.raises(ValueError, match=r"000003\.json, line 2"):
        list(dair_v2x.read_episodes(tmp_path))


def test_broken_recordings_are_skipped_counted_and_reported(tmp_path):
    dair_v2x.write_episodes([episode("1"), episode("2"), episode("3")], tmp_path)
    (tmp_path / "vehicle-side/calib/novatel_to_world/000008.json").unlink()
    change(tmp_path / VEHICLE, lambda values: values[13].pop("batch_id") and None)
    records = dair_v2x.read_episodes(tmp_path, skip_bad=True)
    with pytest.warns(UserWarning, match="read 2, skipped 2: .*entry 13.*000008"):
        assert [record.name for record in records] == ["1", "3"]
    assert records.skipped == 2


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"steps of 0.2 to 0.2 s"):
        dair_v2x.write_episodes([episode(times=np.arange(K) * 0.2)], tmp_path)
    with pytest.raises(ValueError, match="has camera 'front'; DAIR-V2X-C has vehicle and roadside"):
        dair_v2x.write_episodes([episode(videos={"front": episode().videos["vehicle"]})], tmp_path)
    with pytest.raises(ValueError, match="roadside's lens is in frame 'ego'"):
        dair_v2x.write_episodes([episode(lenses={"roadside": episode().lenses["vehicle"]})], tmp_path)
    dair_v2x.write_episodes([episode()], tmp_path)
    with pytest.raises(ValueError, match="already has batch_id '0007'"):
        dair_v2x.write_episodes([episode()], tmp_path)
    with pytest.raises(ValueError, match="is no DAIR-V2X-C folder"):
        dair_v2x.read_episodes(tmp_path / "vehicle-side")


def test_lidar_labels_go_through_the_whole_chain(tmp_path):
    """A lidar that is turned and raised against the ego: the world's poses stay the same."""
    v2x_seq.write_episodes([episode()], tmp_path)
    mount = upright([1.2, 0.3, 0.8], 1.9)
    for path in (tmp_path / "vehicle-side/calib/lidar_to_novatel").iterdir():
        values = {"rotation": mount[:3, :3].tolist(), "translation": mount[:3, 3:].tolist()}
        path.write_text(json.dumps({"transform": values}))
    back = inverse(mount)

    def mounted(labels):
        for label in labels:
            place = back @ [*(label["3d_location"][axis] for axis in "xyz"), 1.0]
            label["3d_location"] = dict(zip("xyz", place[:3].tolist(), strict=True))
            label["rotation"] -= 0.8

    for path in (tmp_path / "cooperative/label").iterdir():
        change(path, mounted)
    (again,) = v2x_seq.read_episodes(tmp_path)
    np.testing.assert_allclose(again.tracks["12"][:4, :2], episode().tracks["12"][:4, :2], atol=1e-3)
    same_angle(again.tracks["12"][:4, 2], episode().tracks["12"][:4, 2])
