"""Drives: exact shares, the same drive for the same seed, physics, and who really sees what decides."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from wayscan.data.formats.dair_v2x import read_episodes, write_episodes
from wayscan.geometry.poses import boxes_overlap, from_ego, to_ego, wrap_angle
from wayscan.geometry.waypoints import accelerations, speeds
from wayscan.world.actors.car import EGO_SIZE
from wayscan.world.drives import (
    DT,
    FUTURE,
    HISTORY,
    NOW,
    VEHICLE,
    Drive,
    DriveSpec,
    drives,
    future_of,
    history_of,
    make_drive,
    stage_drive,
)
from wayscan.world.driving.cases import BLOCK, case_of
from wayscan.world.driving.sight import block, hidden, seen_share
from wayscan.world.render.boxes import instance_boxes

SEED = 7
COUNT = 2 * BLOCK


@cache
def some_drives() -> tuple[Drive, ...]:
    return tuple(stage_drive(SEED, index) for index in range(COUNT))


def test_shares_are_exact_in_every_block() -> None:
    for seed in (0, 7, 123_456):
        for block_number in range(5):
            cases = [case_of(seed, BLOCK * block_number + place) for place in range(BLOCK)]
            kinds = Counter(case.kind for case in cases)
            assert kinds == {"straight": 7, "braking": 7, "left": 3, "right": 3}
            assert sum(case.decided_by == "roadside" for case in cases) == 4
            assert all(case.kind == "braking" for case in cases if case.decided_by == "roadside")
    orders = {tuple(case_of(seed, place).kind for place in range(BLOCK)) for seed in range(20)}
    assert len(orders) == 20


def test_a_drive_depends_on_seed_and_index_alone() -> None:
    first, second = make_drive(3, 11), make_drive(3, 11)
    assert np.array_equal(first.poses, second.poses)
    assert first.text == second.text
    assert first.facts == second.facts
    assert all(np.array_equal(first.tracks[name], second.tracks[name]) for name in first.tracks)
    assert np.array_equal(first.videos["roadside"][NOW], second.videos["roadside"][NOW])
    other = next(drives(4, [11]))
    assert not np.array_equal(first.poses, other.poses)
    larger = make_drive(3, 11, DriveSpec(width=64, height=36))
    assert np.array_equal(first.poses, larger.poses)
    assert first.text == larger.text


def test_an_episode_is_whole() -> None:
    drive = make_drive(SEED, 0)
    assert len(drive) == HISTORY + 1 + FUTURE
    assert drive.times[NOW] == 0
    assert np.allclose(np.diff(drive.times), DT)
    assert drive.synthetic
    assert drive.facts["now"] == NOW
    assert set(drive.videos) == set(drive.lenses) == {"vehicle", "roadside"}
    assert set(drive.tracks) == set(drive.sizes) == set(drive.facts["types"])
    future, history = future_of(drive), history_of(drive)
    assert future.shape == (45, 2)
    assert history.shape == (HISTORY + 1, 3)
    assert np.allclose(history[-1], 0)
    assert np.allclose(from_ego(future, drive.poses[NOW]), drive.poses[NOW + 1 :, :2])
    assert "45 waypoints" in drive.text or "4.5 s" in drive.text
    footage = drive.videos["vehicle"]
    assert len(footage) == len(drive)
    assert footage[NOW].shape == (144, 256, 3)
    assert np.array_equal(footage[-1], footage[len(footage) - 1])
    with pytest.raises(IndexError):
        footage[len(footage)]


def test_every_drive_keeps_to_physics() -> None:
    for drive in some_drives():
        episode = drive.episode()
        future = future_of(episode)
        assert speeds(future, DT).max() <= 20
        assert np.abs(accelerations(future, DT)).max() <= 6.5
        assert (to_ego(episode.poses[1:, :2], episode.poses[:-1])[:, 0] > -1e-6).all()
        rates = wrap_angle(np.diff(episode.poses[:, 2])) / DT
        assert np.abs(rates).max() < 0.9
        assert np.abs(rates[1:] - rates[:-1]).max() < 0.2


def test_the_ego_never_collides() -> None:
    for drive in some_drives():
        episode = drive.episode()
        for name, track in episode.tracks.items():
            size = np.array(episode.sizes[name][:2])
            assert not boxes_overlap(episode.poses, EGO_SIZE[:2], track, size).any(), (episode.name, name)


def test_drives_do_what_their_kind_says() -> None:
    for drive in some_drives():
        episode, case = drive.episode(), drive.case
        now = episode.poses[NOW]
        turn = float(wrap_angle(episode.poses[-1, 2] - now[2]))
        speed = speeds(np.diff(episode.poses[NOW:, :2], axis=0).cumsum(axis=0), DT)
        if case.kind == "straight":
            assert abs(turn) < 0.1
            assert speed.min() > speed[0] - 2
        elif case.kind == "braking":
            assert speed.min() < speed[0] - 2
        else:
            assert turn * (1 if case.kind == "left" else -1) > 0.4
            assert case.kind == episode.facts["command"]
        assert episode.facts["command"] in episode.text or "straight" in episode.text


def test_what_the_roadside_decides_only_the_roadside_sees() -> None:
    checked = Counter()
    for drive in some_drives():
        if drive.setting.decider is None:
            continue
        instance = drive.instance(str(drive.episode().facts["decider"]))
        shares = {
            name: float(
                np.nan_to_num(
                    instance_boxes(drive.scene(name, NOW), drive.camera(name, NOW)).visible[instance]
                )
            )
            for name in ("vehicle", "roadside")
        }
        if drive.case.decided_by == "roadside":
            assert shares["vehicle"] < 0.05, (drive.index, shares)
            assert shares["roadside"] > 0.4, (drive.index, shares)
        elif drive.case.reason == "walker":
            assert shares["vehicle"] > 0.4, (drive.index, shares)
        checked[drive.case.decided_by] += 1
    assert checked["roadside"] == 8


def test_before_the_roadside_decides_the_ego_does_not_brake() -> None:
    for drive in some_drives():
        if drive.case.decided_by == "roadside":
            past = (
                np.diff(np.linalg.norm(np.diff(history_of(drive.episode())[:, :2], axis=0), axis=1)) / DT**2
            )
            assert past[-3:].min() > -1.1, drive.index


def test_lenses_put_tracks_where_pictures_show_them() -> None:
    checked = 0
    for drive in some_drives()[:8]:
        episode = drive.episode()
        for name, lens in episode.lenses.items():
            found = instance_boxes(drive.scene(name, NOW), drive.camera(name, NOW))
            for track, poses in episode.tracks.items():
                height = episode.sizes[track][2]
                if found.visible[drive.instance(track)] < 0.5:
                    continue
                x, y = poses[NOW, :2]
                if lens.frame == "ego":
                    x, y = to_ego([x, y], episode.poses[NOW])
                camera = np.linalg.inv(lens.pose) @ [x, y, height / 2, 1.0]
                u, v = (lens.matrix @ camera[:3])[:2] / camera[2]
                left, top, wide, high = found.boxes[drive.instance(track)]
                if left <= 0 or top <= 0 or left + wide >= 256 or top + high >= 144:
                    continue
                assert left - 1 <= u <= left + wide + 1, (track, name)
                assert top - 1 <= v <= top + high + 1, (track, name)
                checked += 1
    assert checked > 30


def test_drives_are_written_and_read_as_dair_v2x(tmp_path: Path) -> None:
    drive = make_drive(SEED, 1, DriveSpec(width=64, height=36))
    assert write_episodes([drive], tmp_path) == 1
    (back,) = list(read_episodes(tmp_path))
    assert np.allclose(back.poses, drive.poses, atol=1e-6)
    assert np.allclose(np.diff(back.times), DT)
    assert back.synthetic
    assert back.text == drive.text
    for name in ("vehicle", "roadside"):
        assert np.allclose(back.lenses[name].matrix, drive.lenses[name].matrix)
        assert np.allclose(back.lenses[name].pose, drive.lenses[name].pose, atol=1e-6)
        error = back.videos[name][NOW].astype(int) - drive.videos[name][NOW]
        assert np.abs(error).mean() < 8  # JPEG
    assert set(back.tracks) == set(drive.tracks)
    assert all(np.allclose(back.tracks[track][:, :2], drive.tracks[track][:, :2]) for track in drive.tracks)


def test_sight_goes_past_and_not_through_blocks() -> None:
    body = block([20.0, 0.0, 0.3], (4.0, 1.8, 1.5))
    wall = np.array([[10.0, 0.0, 1.5, 0.5, 3.0, 1.5, 0.0]])
    nothing = np.zeros((0, 7))
    assert seen_share(VEHICLE, body, nothing) == 1
    assert seen_share(VEHICLE, body, wall) == 0
    assert seen_share(VEHICLE, block([-20.0, 0.0, 0.0], (4.0, 1.8, 1.5)), nothing) == 0
    half_wall = wall.copy()
    half_wall[0, 1] = 3.0
    assert 0.2 < seen_share(VEHICLE, body, half_wall) < 0.8
    assert not hidden([0, 0, 10.0], np.array([[20.0, 0.0, 1.0], [9.0, 0.0, 9.0]]), wall).any()


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="seed, index"):
        make_drive(-1, 0)
    with pytest.raises(ValueError, match="at least 16 pixels"):
        DriveSpec(width=8)
