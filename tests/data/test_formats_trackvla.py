"""OpenTrackVLA's recordings and samples: round trips, the defects that must not come back, and faults."""

import json
from pathlib import Path

import numpy as np
import pytest

from wayscan.data.formats import trackvla, trackvla_windows
from wayscan.data.images import read_image
from wayscan.data.records import Episode
from wayscan.data.windows import Window, windows_of
from wayscan.geometry.poses import to_ego

K = 40
NAME = "train/seed_3/hall/7"


def episode(**changes) -> Episode:
    """An arc at 1 m/s; the frame's brightness tells its number."""
    times = np.arange(K) * 0.1
    turn = 0.5 * times
    poses = np.stack([2 * np.sin(turn), 2 * (1 - np.cos(turn)), turn], axis=1)
    return Episode(
        **{
            "name": NAME,
            "times": times,
            "poses": poses,
            "videos": {"front": np.stack([np.full((32, 48, 3), 5 * k + 20, np.uint8) for k in range(K)])},
            "actions": np.tile([1.0, 0.0, 0.5], (K, 1)),
            "facts": {
                "dis_to_human": np.linspace(1, 3, K),
                "facing": np.ones(K),
                "status": "Normal",
                "success": True,
                "collision": False,
                "following_rate": 0.9,
            },
            "text": "Follow the person in red",
            "synthetic": True,
            "source": "made here",
            **changes,
        }
    )


def number(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / 5)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vla") / "sim_data"
    assert trackvla.write_episodes([episode()], folder) == 1
    return folder


def test_round_trip(recorded):
    (again,) = trackvla.read_episodes(recorded)
    first = episode()
    assert (again.name, again.text, again.synthetic, again.source) == (NAME, first.text, True, "made here")
    for name in ("times", "poses", "actions"):
        np.testing.assert_allclose(getattr(again, name), getattr(first, name), atol=1e-9)
    for name in ("dis_to_human", "facing"):
        np.testing.assert_allclose(again.facts[name], first.facts[name])
    assert {key: again.facts[key] for key in ("status", "success", "collision", "following_rate")} == {
        key: first.facts[key] for key in ("status", "success", "collision", "following_rate")
    }
    assert (again.facts["seed"], again.facts["scene"], again.facts["lacks"]) == ("seed_3", "hall", ())
    assert [number(frame) for frame in again.videos["front"]] == list(range(K))


def steps(folder: Path, **changes) -> Path:
    """What the public simulation writes: no poses, and what `changes` says of each step."""
    path = folder / "val/seed_0/room/0_info.json"
    path.parent.mkdir(parents=True)
    values = [
        {"step": k + 1, "dis_to_human": 1.4, "facing": 1.0, "base_velocity": [1.0, 0.2, 0.5], **changes}
        for k in range(11)
    ]
    path.write_text(json.dumps(values))
    return path


def test_poses_are_integrated_where_none_are_stored_and_what_lacks_is_said(tmp_path):
    steps(tmp_path)
    (again,) = trackvla.read_episodes(tmp_path, "val")
    assert again.facts["lacks"] == ("outcome and instruction", "video")
    assert (again.poses[0] == 0).all()
    turn, radius = 0.5, np.array([1.0, 0.2]) / 0.5
    x = radius[0] * np.sin(turn) - radius[1] * (1 - np.cos(turn))
    y = radius[0] * (1 - np.cos(turn)) + radius[1] * np.sin(turn)
    np.testing.assert_allclose(again.poses[10], [x, y, turn], atol=1e-9)
    (half,) = trackvla.read_episodes(tmp_path, velocity_scale=(0.5, 0.5, 1.0))
    assert half.facts["velocity_scale"] == (0.5, 0.5, 1.0)
    np.testing.assert_allclose(half.poses[10], [x / 2, y / 2, turn], atol=1e-9)
    np.testing.assert_allclose(half.actions, again.actions)
    with pytest.raises(ValueError, match="did you mean val"):
        trackvla.read_episodes(tmp_path, "vall")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"base_velocity": [1, 2]},
            r"0_info\.json, entry 0: key 'base_velocity' is \[1, 2\]; expected 3, finite",
        ),
        ({"dis_to_human": "far"}, r"entry 0: key 'dis_to_human' is 'far'"),
    ],
)
def test_faults_of_steps_name_entry_and_key(tmp_path, change, message):
    steps(tmp_path, **change)
    with pytest.raises(ValueError, match=message):
        list(trackvla.read_episodes(tmp_path))


def test_a_video_that_is_too_short_or_too_long(recorded, tmp_path):
    path = steps(tmp_path)
    path.with_name("0.mp4").write_bytes((recorded / f"{NAME}.mp4").read_bytes())
    (longer,) = trackvla.read_episodes(tmp_path)
    front = longer.videos["front"]
    assert len(front) == len(list(front)) == 11
    assert (number(front[10]), number(front[-1])) == (10, 10)
    with pytest.raises(IndexError):
        front[11]
    path.write_text(json.dumps(json.loads(path.read_text()) * 4))
    with pytest.raises(ValueError, match=r"0\.mp4 has 40 frames for the 44 steps of 0_info\.json"):
        list(trackvla.read_episodes(tmp_path))
    records = trackvla.read_episodes(tmp_path, skip_bad=True)
    with pytest.warns(UserWarning, match="read 0, skipped 1"):
        assert not list(records)


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no actions"):
        trackvla.write_episodes([episode(actions=None)], tmp_path)
    with pytest.raises(ValueError, match=r"steps of 0.2 to 0.2 s; OpenTrackVLA has steps of 0.1 s"):
        trackvla.write_episodes([episode(times=np.arange(K) * 0.2)], tmp_path)
    with pytest.raises(ValueError, match="has camera 'back'; OpenTrackVLA has front"):
        trackvla.write_episodes([episode(videos={"back": np.zeros((K, 2, 2, 3), np.uint8)})], tmp_path)
    with pytest.raises(ValueError, match=r"7_info\.json would hold NaN"):
        trackvla.write_episodes([episode(actions=np.full((K, 3), np.nan))], tmp_path)
    with pytest.raises(ValueError, match="holds no OpenTrackVLA recording"):
        trackvla.read_episodes(tmp_path)


def test_samples_of_an_episode(tmp_path):
    """Waypoint 1 is never the start, and 8 waypoints of an arc lie where the arc is."""
    assert trackvla_windows.write_samples([episode()], tmp_path, "val") == K - 1
    windows = list(trackvla_windows.read_windows(tmp_path, "val"))
    first, late, last = windows[0], windows[35], windows[-1]
    assert (len(first.images), len(late.images)) == (0, 31)
    assert number(read_image(late.current)) == 35
    assert [number(read_image(path)) for path in late.images] == list(range(4, 35))
    ahead = 0.05 * np.arange(1, 9)
    arc = np.stack([2 * np.sin(ahead), 2 * (1 - np.cos(ahead)), ahead], axis=1)
    np.testing.assert_allclose(first.waypoints, arc, atol=1e-9)
    np.testing.assert_allclose(windows[20].waypoints, arc, atol=1e-9)
    assert first.valid.all()
    assert last.valid.tolist() == [True] + [False] * 7
    np.testing.assert_allclose(last.waypoints[7], last.waypoints[0])
    assert late.facts["target_distance"] == pytest.approx(1 + 2 * 35 / 39)
    assert (late.dt, late.instruction, late.synthetic) == (0.1, "Follow the person in red", True)
    line = json.loads((tmp_path / "val.jsonl").read_text().splitlines()[35])
    assert len(line["trajectory"]) == len(line["actions"]) == 9
    assert line["trajectory"][0] == [0, 0, 0]
    assert line["current"] == f"frames/{NAME}/frame_00036.jpg"


def test_windows_come_back_as_they_were(tmp_path):
    pictures = [tmp_path / f"{k}.jpg" for k in range(K)]
    first = windows_of(episode(), pictures, stride=7)
    assert trackvla_windows.write_windows(first, tmp_path / "a.jsonl") == 6
    for was, now in zip(first, trackvla_windows.read_windows(tmp_path / "a.jsonl"), strict=True):
        assert (now.current, now.images, now.instruction) == (was.current, was.images, was.instruction)
        assert (now.dt, now.facts, now.source) == (was.dt, was.facts, was.source)
        for name in ("waypoints", "valid", "actions"):
            np.testing.assert_array_equal(getattr(now, name), getattr(was, name))


def sample(folder: Path, **values) -> Window:
    path = folder / "a.jsonl"
    path.write_text(json.dumps({"images": [], "current": "a/frame_00001.jpg", "instruction": "go", **values}))
    (window,) = trackvla_windows.read_windows(path)
    return window


def test_every_way_of_giving_the_way_gives_the_same(tmp_path):
    poses = episode().poses
    way = to_ego(poses[:9], poses[0]).tolist()
    actions = [[1.0, 0.0, 0.5]] * 9
    expected = np.array(way[1:])
    for values in (
        {"trajectory": way},
        {"trajectory": way, "actions": actions},
        {"actions": actions},
        {"waypoints": way[1:], "trajectory": [[9, 9, 9]] * 9},
        {"trajectory": way[1:]},
    ):
        window = sample(tmp_path, **values)
        np.testing.assert_allclose(window.waypoints, expected, atol=1e-9)
        assert window.valid.shape == (8,)
        assert window.current == tmp_path / "a/frame_00001.jpg"


def test_commands_become_metres_by_a_named_scale(tmp_path):
    """A stored way that was integrated from commands is not scaled: it is integrated anew."""
    sample(tmp_path, trajectory=[[0, 0, 0]] + [[0.1 * k, 0, 0] for k in range(1, 9)], actions=[[1, 0, 1]] * 9)
    (window,) = trackvla_windows.read_windows(tmp_path / "a.jsonl", velocity_scale=(2.0, 2.0, 0.5))
    poses = episode().poses
    np.testing.assert_allclose(window.waypoints, to_ego(poses[1:9], poses[0]) * (2, 2, 1), atol=1e-9)


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({"valid_mask": [1] * 6 + [0] * 3}, [True] * 5 + [False] * 3),
        ({"valid_mask": [1] * 5 + [0] * 3}, [True] * 5 + [False] * 3),
        ({"valid_idx": [0, 1, 2]}, [True] * 2 + [False] * 6),
        ({"valid_idx": 4}, [True] * 4 + [False] * 4),
    ],
)
def test_what_is_valid_is_said_in_every_way_known(tmp_path, values, valid):
    way = [[0, 0, 0]] + [[0.1 * k, 0, 0] for k in range(1, 9)]
    assert sample(tmp_path, trajectory=way, **values).valid.tolist() == valid


def test_other_keys_are_kept(tmp_path):
    window = sample(tmp_path, waypoints=[[1, 0, 0]] * 8, yaw_hist=[0.1], yaw_curr=0.2, collision=True, dt=0.2)
    assert window.facts == {"yaw_hist": [0.1], "yaw_curr": 0.2, "collision": True}
    assert window.dt == 0.2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"a\.jsonl, line 2: '\{'… is no JSON"),
        ("[1]", r"a\.jsonl, line 2: \[1\]; expected an object"),
        ('{"current": "b"}', r"line 2: none of the keys waypoints, trajectory, actions"),
        ('{"waypoints": [[1, 2, 3]]}', r"line 2: key 'current' is missing"),
        ('{"current": "b", "waypoints": [[1, 2]]}', r"line 2: key 'waypoints' is .*; expected n × 3, finite"),
        ('{"current": "b", "waypoints": [[1, 2, NaN]]}', r"expected n × 3, finite"),
        ('{"current": "b", "trajectory": [[0, 0, 0]]}', r"line 2: the way has no row after the start"),
        ('{"current": "b", "waypoints": [[1, 2, 3]], "dt": 0}', r"line 2: key 'dt' is 0"),
        ('{"current": "b", "waypoints": [[1, 2, 3]], "images": "b"}', r"line 2: key 'images' is 'b'"),
        ('{"current": "b", "waypoints": [[1, 2, 3]], "valid_mask": [1, 1]}', r"line 2: key 'valid_mask'"),
    ],
)
def test_faults_of_samples_name_line_and_key(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    good = '{"current": "%s", "waypoints": [[1, 2, 3]]}'
    path.write_text("\n".join([good % "a", line, "", good % "c"]))
    with pytest.raises(ValueError, match=message):
        list(trackvla_windows.read_windows(path))
    records = trackvla_windows.read_windows(path, skip_bad=True)
    with pytest.warns(UserWarning, match="read 2, skipped 1"):
        assert [window.current.name for window in records] == ["a", "c"]


def test_files_and_splits_of_samples(tmp_path):
    with pytest.raises(ValueError, match=r"holds no \.jsonl"):
        trackvla_windows.read_windows(tmp_path)
    window = Window(current=tmp_path / "a.jpg", waypoints=np.ones((8, 3)))
    for split in ("train", "val"):
        trackvla_windows.write_windows([window], tmp_path / f"{split}.jsonl")
    assert len(trackvla_windows.read_windows(tmp_path)) == 2
    with pytest.raises(ValueError, match="has train, val"):
        trackvla_windows.read_windows(tmp_path, "test")
    with pytest.raises(ValueError, match="does not lie below"):
        trackvla_windows.write_windows([window], tmp_path / "deep/a.jsonl")
    (tmp_path / "val.jsonl").write_text("\n")
    with pytest.raises(ValueError, match=r"val\.jsonl is empty"):
        trackvla_windows.read_windows(tmp_path, "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"waypoints": np.ones((8, 2))}, r"waypoints have shape \(8, 2\)"),
        ({"valid": np.ones(7, bool)}, r"valid has shape \(7,\)"),
        ({"dt": 0.0}, "dt is 0.0"),
        ({"waypoints": np.full((8, 3), np.nan)}, "hold NaN"),
    ],
)
def test_a_window_refuses_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        Window(**{"current": Path("a"), "waypoints": np.ones((8, 3)), **change})
