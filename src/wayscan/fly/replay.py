"""What was flown, to learn from: one frame a step, windows rebuilt on sampling.

Rows lie in lanes, one a parallel environment, each a ring of its own:

    lane 0   f₀ f₁ f₂ f₃* g₀ g₁ g₂ …      f, g episodes; * the last frame of one, from which nothing was done

A row holds the frame and state at a moment, the action taken there, its reward and whether that ended the
episode for good. The window of row i is the K rows up to it; before an episode's first row stands that row
again. An episode that was cut short (truncated) ends with a real last frame and without the ending flag, so
that its value is bootstrapped. Needs no torch.

Once what sees a frame stays as it is, windows hold its features instead (`look_once`). A frame is looked at
when it is first asked for, alone, so that its numbers do not depend on when that was.

Letters: B batch, K frames, C H W image, D_v its features, D_s state, A action.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.fly.actions import from_environment
from wayscan.fly.observations import newest_frame

Floats = NDArray[np.float32]
Frames = NDArray[np.uint8]
Look = Callable[[Frames], Floats]  # (N, C, H, W) → (N, D_v)


class Windows(NamedTuple):
    """B transitions. `frames` and `states` have K + 1 moments: the first K are before, the last K after."""

    frames: NDArray[Any] | None  # images (B, K + 1, C, H, W), or features (B, K + 1, D_v) after `look_once`
    states: Floats  # (B, K + 1, D_s)
    actions: Floats  # (B, A), in [-1, 1]
    rewards: Floats  # (B, 1)
    dones: Floats  # (B, 1)
    meant: Floats  # (B, A), what a teacher would have done, or the pilot without noise; NaN if nobody said


class SequenceReplay:
    """A ring of rows a lane, in memory or in mapped files.

    Args:
        capacity: transitions to sample from, of all lanes together.
        seq_len: K.
        image: (C, H, W), or None.
        low, high: the environment's actions, for `add`.
        lanes: parallel environments.
        folder: where the files go; None keeps all in memory.
        slack: environment steps between two checkpoints. What is written after a checkpoint must not lie on
            rows that a run which goes on from it needs.
    """

    only_planned = True

    def __init__(
        self,
        capacity: int,
        seq_len: int,
        *,
        image: tuple[int, int, int] | None,
        state_dim: int,
        low: NDArray[Any],
        high: NDArray[Any],
        lanes: int = 1,
        folder: Path | None = None,
        slack: int = 0,
    ) -> None:
        self.capacity, self.seq_len, self.image, self.lanes = capacity, seq_len, image, lanes
        self._folder, self._made = folder, folder is not None and not (folder / "states.bin").exists()
        self._low, self._high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        # An episode of n steps takes n + 1 rows: two a step at most. A checkpoint is being written while its
        # interval flies, so that two intervals may have to be flown again.
        self.held = -(-capacity // lanes) + 1
        self.room = self.held + 2 * 2 * -(-slack // lanes)
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "states": ((state_dim,), np.float32), "actions": (self._low.shape, np.float32),
            "labels": (self._low.shape, np.float32), "rewards": ((), np.float32),
            "ages": ((), np.int32), "acted": ((), np.bool_), "ended": ((), np.bool_),
        }  # fmt: skip
        if image is not None:
            shapes["frames"] = (image, np.uint8)
        rows = {
            name: _array(folder, name, (lanes, self.room, *shape), kind)
            for name, (shape, kind) in shapes.items()
        }
        self._all = rows
        self._look: Look | None = None
        self.frames: Frames | None = rows.get("frames")
        self.states, self.actions = rows["states"], rows["actions"]
        self.meant = rows["labels"]  # the name of its file since there was nothing but a teacher's
        self.rewards, self.ages, self.acted = rows["rewards"], rows["ages"], rows["acted"]
        self.ended = rows["ended"]
        self.cursors = np.zeros(lanes, dtype=np.int64)
        """Rows ever written, by lane."""
        self.steps = 0
        """Transitions ever written."""
        self._open = np.zeros(lanes, dtype=np.bool_)

    # ---- writing ------------------------------------------------------------------------------------------

    def begin(self, lane: int, frame: Frames | None, state: Floats) -> None:
        """An episode's first moment."""
        self._write(lane, frame, state, 0)
        self._open[lane] = True

    def step(
        self,
        lane: int,
        action: Floats,
        reward: float,
        frame: Frames | None,
        state: Floats,
        *,
        terminated: bool,
        truncated: bool = False,
        meant: Floats | None = None,
    ) -> None:
        """An action in [-1, 1] and the moment it led to, the real last one if the episode is over."""
        if not self._open[lane]:
            raise ValueError(f"replay: lane {lane} has no episode; call begin first")
        if not np.isfinite(reward):
            raise ValueError(
                f"replay: the reward is {reward}; expected a finite number: mend the environment"
            )
        row = int(self.cursors[lane] - 1) % self.room
        age = int(self.ages[lane, row]) + 1
        self.actions[lane, row], self.rewards[lane, row] = action, reward
        self.meant[lane, row] = np.nan if meant is None else meant
        self.ended[lane, row] = terminated
        self.acted[lane, row] = True
        self._write(lane, frame, state, age)
        self.steps += 1
        if terminated or truncated:
            self._open[lane] = False

    def cut(self, lane: int) -> None:
        """The lane's episode goes no further; what it has is kept."""
        self._open[lane] = False

    def add(
        self,
        base: Any,
        depth: Any,
        action: Any,
        reward: float,
        next_base: Any,
        next_depth: Any,
        done: float,
        *,
        truncated: bool = False,
    ) -> None:
        """A transition in the seed's form: windows (K, …) or single frames, the environment's own action.

        Only the newest frames are kept. Where `base` and `depth` do not go on from the transition before, a
        new episode begins. `done` ends it for good; give `done=terminated` and `truncated=truncated`, or a
        time limit is learnt as if it were a crash.
        """
        frame, state = self._newest(depth, base)
        after, next_state = self._newest(next_depth, next_base)
        if not (self._open[0] and self._goes_on(frame, state)):
            self.begin(0, frame, state)
        self.step(
            0, from_environment(action, self._low, self._high), float(reward), after, next_state,
            terminated=bool(done), truncated=truncated,
        )  # fmt: skip

    def look_once(self, look: Look, width: int) -> None:
        """From here on windows hold what `look` makes of each frame, D_v = `width` numbers."""
        self._look = look
        for name, shape, kind in (("features", (width,), np.float32), ("looked_at", (), np.bool_)):
            self._all[name] = _array(self._folder, name, (self.lanes, self.room, *shape), kind)

    def note(self, features: Floats) -> None:
        """(W, D_v) of the newest frame of every lane, where somebody has looked at them already."""
        if self._look is not None:
            places = np.arange(self.lanes), (self.cursors - 1) % self.room
            self._all["features"][places], self._all["looked_at"][places] = features, True

    # ---- reading ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Transitions to sample from, at most; nearly all if episodes are long."""
        return min(self.steps, self.capacity)

    def sample(self, batch: int, rng: np.random.Generator, *, taught: bool = False) -> Windows:
        """`batch` transitions, each as likely as any other.

        Args:
            taught: only those of which somebody said what was meant.
        """
        lanes, moments = self._draw(batch, rng, taught)
        rows = moments % self.room
        ages = np.minimum(self.ages[lanes, rows], self.seq_len - 1)
        back = np.maximum(np.arange(1 - self.seq_len, 2), -ages[:, None])
        seen = (moments[:, None] + back) % self.room
        flat = lanes[:, None] * self.room + seen
        return Windows(
            frames=self._frames_of(flat) if self._look is None else self._features_of(flat, self._look),
            states=self.states.reshape(self.lanes * self.room, -1)[flat],
            actions=self.actions[lanes, rows],
            rewards=self.rewards[lanes, rows, None],
            dones=self.ended[lanes, rows, None].astype(np.float32),
            meant=self.meant[lanes, rows],
        )

    def _frames_of(self, flat: NDArray[np.int64]) -> Frames | None:
        """Rows of all lanes, counted through → (…, C, H, W)."""
        if self.frames is None:
            return None
        assert self.image is not None
        table = self.frames.reshape(self.lanes * self.room, -1)
        return np.take(table, flat.reshape(-1), axis=0).reshape(*flat.shape, *self.image)

    def _features_of(self, flat: NDArray[np.int64], look: Look) -> Floats:
        """The same → (…, D_v)."""
        features = self._all["features"].reshape(self.lanes * self.room, -1)
        looked_at = self._all["looked_at"].reshape(-1)
        for row in np.unique(flat[~looked_at[flat]]):
            frame = self._frames_of(row[None])
            assert frame is not None
            features[row], looked_at[row] = look(frame)[0], True
        return features[flat]

    def _draw(
        self, batch: int, rng: np.random.Generator, taught: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lanes and moments (B,) of transitions whose window is still there."""
        if self.steps == 0:
            raise ValueError("replay: there is no transition to sample; add some first")
        held = np.minimum(self.cursors, self.held)
        ends = np.cumsum(held)
        found: list[NDArray[np.int64]] = []
        count = 0
        for _ in range(100):
            places = rng.integers(0, ends[-1], batch + batch // 4 + 8)
            lanes = np.searchsorted(ends, places, side="right")
            oldest = self.cursors[lanes] - held[lanes]
            moments = oldest + places - (ends[lanes] - held[lanes])
            rows = moments % self.room
            good = self.acted[lanes, rows] & (
                moments - oldest >= np.minimum(self.ages[lanes, rows], self.seq_len - 1)
            )
            if taught:
                good &= np.isfinite(self.meant[lanes, rows, 0])
            found.append(np.stack([lanes, moments])[:, good])
            count += int(good.sum())
            if count >= batch:
                lanes, moments = np.concatenate(found, axis=1)[:, :batch]
                return lanes, moments
        raise ValueError(
            f"replay: {count} of {batch} transitions found in {ends[-1]} rows; expected more: collect longer "
            f"episodes first"
        )

    # ---- going on -----------------------------------------------------------------------------------------

    def on_checkpoint(self, step: int) -> None:
        """Every episode is cut here, for no environment can be written down."""
        self._open[:] = False
        for rows in self._all.values():
            if isinstance(rows, np.memmap):
                rows.flush()

    def state_dict(self) -> dict[str, Any]:
        """How far each lane is: the rows themselves lie in the folder."""
        return {"cursors": self.cursors.copy(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._made and state["steps"]:
            raise ValueError(
                f"replay: {self._folder} has lost its files; expected those of the run: start it again"
            )
        if len(state["cursors"]) != self.lanes:
            raise ValueError(f"replay: {len(state['cursors'])} lanes were saved; expected {self.lanes}")
        if self._folder is not None and self._look is None:  # features there are of later rows
            (self._folder / "looked_at.bin").unlink(missing_ok=True)
        self.cursors[:] = state["cursors"]
        self.steps = state["steps"]
        self._open[:] = False

    # ---- rows ---------------------------------------------------------------------------------------------

    def _write(self, lane: int, frame: Frames | None, state: Floats, age: int) -> None:
        if not np.isfinite(state).all():
            raise ValueError(f"replay: the state is {state}; expected finite numbers: mend the environment")
        row = int(self.cursors[lane]) % self.room
        if self.frames is not None and frame is not None:
            self.frames[lane, row] = frame
        self.states[lane, row], self.ages[lane, row] = state, age
        self.acted[lane, row] = self.ended[lane, row] = False
        if self._look is not None:
            self._all["looked_at"][lane, row] = False
        self.cursors[lane] += 1

    def _goes_on(self, frame: Frames | None, state: Floats) -> bool:
        row = int(self.cursors[0] - 1) % self.room
        same = self.frames is None or np.array_equal(self.frames[0, row], frame)  # type: ignore[arg-type]
        return bool(same) and np.array_equal(self.states[0, row], state)

    def _newest(self, depth: Any, base: Any) -> tuple[Frames | None, Floats]:
        state = np.asarray(base, np.float32)
        state = state[-1] if state.ndim == 2 else state
        if self.image is None:
            return None, state
        return newest_frame(depth, self.image), state


def _array(folder: Path | None, name: str, shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    if folder is None:
        return np.zeros(shape, kind)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.bin"
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    known = path.exists() and path.stat().st_size == size
    return np.memmap(path, kind, "r+" if known else "w+", shape=shape)
