"""The replay against a list of episodes, in memory and on disk, and after a kill."""

import numpy as np
import pytest

from wayscan.fly import SequenceReplay

IMAGE = (1, 2, 2)


def replay(capacity=50, seq_len=3, **about):
    about = {"image": IMAGE, "state_dim": 2, "low": np.zeros(1), "high": np.full(1, 4.0), **about}
    return SequenceReplay(capacity, seq_len, **about)


def moment(number):
    """A frame and a state that say which they are."""
    frame = np.frombuffer(np.uint32(number).tobytes(), np.uint8).reshape(IMAGE)
    return frame, np.array([number, -number], np.float32)


def fly(store, steps, rng, *, lane=0, first=0, mean=6):
    """Episodes of random lengths; the transitions (window, action, reward, done) by their first frame."""
    expected, number = {}, first
    while steps > 0:
        store.begin(lane, *moment(number))
        seen, length = [number], int(rng.integers(1, 2 * mean))
        for left in range(length, 0, -1):
            number, steps = number + 1, steps - 1
            last = left == 1
            terminated = last and bool(rng.random() < 0.5)
            action, reward = rng.uniform(-1, 1, 1).astype(np.float32), float(rng.normal())
            store.step(
                lane,
                action,
                reward,
                *moment(number),
                terminated=terminated,
                truncated=last and not terminated,
            )
            padded = [seen[0]] * store.seq_len + seen
            expected[seen[-1]] = ([*padded[-store.seq_len :], number], action, np.float32(reward), terminated)
            seen.append(number)
        number += 1
    return expected


def check(windows, expected):
    numbers = (
        np.ascontiguousarray(windows.frames).reshape(*windows.frames.shape[:2], 4).view(np.uint32)[..., 0]
    )
    for row, seen in enumerate(numbers.tolist()):
        window, action, reward, done = expected[seen[-2]]
        assert seen == window
        assert np.array_equal(windows.states[row, :, 0], np.float32(window))
        assert windows.actions[row] == action
        assert windows.rewards[row, 0] == reward
        assert windows.dones[row, 0] == done
    return {seen[-2] for seen in numbers.tolist()}


@pytest.mark.parametrize("lanes", [1, 3])
def test_windows_are_those_of_the_episodes(lanes):
    rng = np.random.default_rng(0)
    store = replay(capacity=60, lanes=lanes)
    expected = {}
    for lane in range(lanes):
        expected |= fly(store, 300, rng, lane=lane, first=10_000 * lane)
    drawn = check(store.sample(4000, rng), expected)
    for lane in range(lanes):
        own = sorted(number for number in expected if number // 10_000 == lane)
        held = 60 // lanes
        # The newest transitions are there, none that was pushed out.
        assert {number for number in drawn if number // 10_000 == lane} >= set(own[-held // 2 :])
        assert min(number for number in drawn if number // 10_000 == lane) >= own[-held - 1]


def test_every_transition_is_as_likely():
    rng = np.random.default_rng(1)
    store = replay(capacity=100)
    fly(store, 30, rng)
    rows = store.sample(30_000, rng).states[:, -2, 0]
    _, counts = np.unique(rows, return_counts=True)
    assert len(counts) == store.steps
    assert np.abs(counts * len(counts) / 30_000 - 1).max() < 0.2


def test_an_episode_in_the_air_is_sampled_without_its_last_frame():
    store = replay()
    store.begin(0, *moment(0))
    with pytest.raises(ValueError, match="no transition"):
        store.sample(1, np.random.default_rng(0))
    store.step(0, np.zeros(1), 1.0, *moment(1), terminated=False)
    drawn = store.sample(5, np.random.default_rng(0))
    assert (drawn.states[:, :, 0] == [0, 0, 0, 1]).all()


def test_the_seeds_add_takes_windows_and_notices_new_episodes():
    store = replay()
    at = {n: moment(n) for n in range(10)}

    def window(*numbers):
        return np.stack([at[n][1] for n in numbers]), np.stack([at[n][0] for n in numbers])

    store.add(*window(0, 0, 0), np.array([4.0]), 1.0, *window(0, 0, 1), 0.0)
    store.add(*window(0, 0, 1), np.array([1.0]), 2.0, *window(0, 1, 2), 0.0, truncated=True)
    store.add(*window(5, 5, 5), np.array([0.0]), 3.0, *window(5, 5, 6), 1.0)
    # A time limit that was not told: the next window does not go on, so that an episode begins.
    store.add(*window(7, 7, 7), np.array([2.0]), 4.0, *window(7, 7, 8), 0.0)
    drawn = store.sample(200, np.random.default_rng(0))
    found = {
        (*row.astype(int).tolist(), float(action), bool(done))
        for row, action, done in zip(drawn.states[:, :, 0], drawn.actions[:, 0], drawn.dones, strict=True)
    }
    assert found == {
        (0, 0, 0, 1, 1.0, False), (0, 0, 1, 2, -0.5, False), (5, 5, 5, 6, -1.0, True),
        (7, 7, 7, 8, 0.0, False),
    }  # fmt: skip
    assert store.cursors[0] == 3 + 2 + 2


def test_floats_are_kept_as_bytes_and_what_does_not_fit_is_refused():
    store = replay()
    frame, state = np.full(IMAGE, 0.5, np.float32), np.zeros(2, np.float32)
    store.add(state, frame, np.zeros(1), 0.0, state, frame, 0.0)
    assert (store.frames[0, 0] == 128).all()
    for bad, words in (
        (np.zeros((1, 3, 3), np.uint8), "expected \\(1, 2, 2\\)"),
        (np.full(IMAGE, 7.0), "scale depth"),
        (np.full(IMAGE, np.nan), "NaN"),
        (np.zeros(IMAGE, np.int64), "expected uint8"),
    ):
        with pytest.raises(ValueError, match=words):
            store.add(state, bad, np.zeros(1), 0.0, state, bad, 0.0)
    with pytest.raises(ValueError, match="reward is nan"):
        store.add(state, frame, np.zeros(1), np.nan, state, frame, 0.0)
    with pytest.raises(ValueError, match="finite"):
        store.add(np.full(2, np.inf), frame, np.zeros(1), 0.0, state, frame, 0.0)


def test_what_was_meant_is_sampled_where_somebody_said_it():
    store = replay()
    store.begin(0, *moment(0))
    for number in range(1, 9):
        meant = np.full(1, number / 10, np.float32) if number % 2 else None
        store.step(0, np.zeros(1), 0.0, *moment(number), terminated=False, meant=meant)
    drawn = store.sample(100, np.random.default_rng(0), taught=True)
    assert np.allclose(drawn.meant[:, 0], drawn.states[:, -1, 0] / 10)


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_killed_run_goes_on_to_the_same_rows(tmp_path, lanes):
    interval = 10

    def run(folder, begin, end, state=None, mean=2):
        store = replay(20, folder=folder, lanes=lanes, slack=interval * lanes)
        if state is not None:
            store.load_state_dict(state)
        saved = {}
        for number in range(begin, end):
            store.on_checkpoint(number)
            saved[number] = store.state_dict()
            for lane in range(lanes):
                rng = np.random.default_rng((number, lane))
                left = interval
                while left > 0:
                    length = min(left, int(rng.integers(1, 2 * mean)))
                    store.begin(lane, *moment(int(rng.integers(1 << 20))))
                    for k in range(length):
                        store.step(
                            lane, rng.uniform(-1, 1, 1), float(rng.normal()),
                            *moment(int(rng.integers(1 << 20))), terminated=k == length - 1,
                        )  # fmt: skip
                    left -= length
        return store, saved

    whole, _ = run(tmp_path / "whole", 0, 6)
    # Killed at the end of the sixth interval, while the checkpoint of its beginning was being written.
    _, saved = run(tmp_path / "killed", 0, 6)
    resumed, _ = run(tmp_path / "killed", 4, 6, saved[4])
    mine, other = (store.sample(500, np.random.default_rng(3)) for store in (resumed, whole))
    for one, same in zip(mine, other, strict=True):
        assert np.array_equal(one, same, equal_nan=True)
    # And what is sampled right after going on is what was there at the checkpoint.
    before, _ = run(tmp_path / "short", 0, 4)
    again = replay(20, folder=tmp_path / "again", lanes=lanes, slack=interval * lanes)
    with pytest.raises(ValueError, match="lost its files"):
        again.load_state_dict(saved[4])
    assert before.steps == saved[4]["steps"]


@pytest.mark.parametrize("lanes", [1, 3])
def test_frames_are_looked_at_once_and_alone(lanes):
    store, rng, looks = replay(capacity=200 * lanes, lanes=lanes), np.random.default_rng(3), []
    expected = {}
    for lane in range(lanes):
        expected |= fly(store, 40, rng, lane=lane, first=10_000 * lane)

    def look(frames):
        assert len(frames) == 1
        looks.append(frames.tobytes())
        return frames.reshape(1, 4).astype(np.float32)

    store.look_once(look, 4)
    for lane in range(lanes):
        expected |= fly(store, 40, rng, lane=lane, first=10_000 * lane + 1_000)
    for batch in range(20):
        windows = store.sample(64, np.random.default_rng(batch))
        assert windows.frames.dtype == np.float32
        check(windows._replace(frames=windows.frames.astype(np.uint8)), expected)
    assert len(looks) == len(set(looks)) > 70 * lanes


def test_features_that_somebody_has_are_taken_until_the_row_is_written_again():
    store = replay(capacity=3, seq_len=1)
    store.note(np.ones((1, 2), np.float32))  # nobody wants features yet
    store.look_once(lambda frames: np.zeros((1, 2), np.float32), 2)
    store.begin(0, *moment(0))
    for step in range(5):
        if step < 3:
            store.note(np.full((1, 2), 7, np.float32))
        store.step(0, np.zeros(1, np.float32), 0.0, *moment(step + 1), terminated=False)
    windows = store.sample(50, np.random.default_rng(0))
    assert {*zip(windows.states[:, 0, 0], windows.frames[:, 0, 0], strict=True)} == {(2, 7), (3, 0), (4, 0)}


@pytest.mark.parametrize("looked", [False, True])
def test_features_are_kept_where_a_run_goes_on_unless_they_were_made_later(tmp_path, looked):
    looks = []

    def look(frames):
        looks.append(1)
        return np.ones((1, 2), np.float32)

    first = replay(folder=tmp_path)
    fly(first, 40, np.random.default_rng(0))
    state = first.state_dict()
    first.look_once(look, 2)
    first.sample(64, np.random.default_rng(0))
    first.on_checkpoint(40)
    again = replay(folder=tmp_path)
    if looked:
        again.look_once(look, 2)
    again.load_state_dict(state)
    if not looked:
        again.look_once(look, 2)
    looks.clear()
    again.sample(64, np.random.default_rng(0))
    assert bool(looks) is not looked


def test_twenty_thousand_steps_fit_into_a_hundred_megabytes():
    store = SequenceReplay(20_000, 4, image=(1, 64, 64), state_dim=10, low=np.full(3, -1.0), high=np.ones(3))
    assert sum(rows.nbytes for rows in store._all.values()) < 100e6
