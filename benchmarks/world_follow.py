"""Following in the world: what the task is like, how experts and simple agents do, how fast it steps.

python -m benchmarks.world_follow expert [SPLIT …]    200 judging seeds a split, recorded (minutes each)
python -m benchmarks.world_follow others [SPLIT …]    the same for the agents to compare with
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wayscan.world.actors.crowd import RADIUS, closest_pair
from wayscan.world.envs.follow import Follow
from wayscan.world.envs.forest_trials import wilson
from wayscan.world.following.agents import AGENTS
from wayscan.world.following.expert import Expert
from wayscan.world.following.pursuit import LIMITS, Pursuit
from wayscan.world.following.rules import Outcome, scores
from wayscan.world.following.tasks import SPLITS
from wayscan.world.render import instance_boxes
from wayscan.world.splits import JUDGING

from .claims import Claim, record

SEEDS, FIRST = 200, 1000  # of the judging seeds; the expert was worked on with earlier ones
GROUPS = {"expert": ("expert",), "others": tuple(AGENTS)}
LEAST_EXPERT, MOST_STRAIGHT = 0.97, 0.35
TURN = np.pi / 4  # of the target's heading within a second

Act = Callable[[Pursuit, dict[str, Any]], np.ndarray]


@dataclass(kw_only=True)
class Walks:
    """What episodes were like, from those that the expert drove."""

    walkers: list[int] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)  # metres of the target's way
    steps: list[int] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)  # m/s, of steps on which it walks
    standing: list[float] = field(default_factory=list)  # shares of steps
    turns: list[int] = field(default_factory=list)
    half_hidden: list[float] = field(default_factory=list)  # shares of looks that show less than half of it
    closest: list[float] = field(default_factory=list)  # metres between two people

    def add(self, pursuit: Pursuit, way: np.ndarray, visible: list[float], closest: float) -> None:
        paces = np.linalg.norm(np.diff(way, axis=0), axis=1)
        walks = paces > 0.02
        self.walkers.append(len(pursuit.crowd) - 1)
        self.lengths.append(float(paces.sum()))
        self.steps.append(pursuit.step_count)
        self.speeds += (10 * paces[walks]).tolist()
        self.standing.append(float(1 - walks.mean()))
        self.turns.append(count_turns(way))
        self.half_hidden.append(float(np.mean(np.array(visible) < 0.5)))
        self.closest.append(closest)

    def row(self) -> str:
        low, middle, high = np.quantile(self.speeds, [0.05, 0.5, 0.95])
        return (
            f"{np.mean(self.walkers):.1f} | {np.mean(self.steps):.0f} | {np.mean(self.lengths):.1f} m | "
            f"{low:.2f} / {middle:.2f} / {high:.2f} m/s | {np.mean(self.standing):.2f} | "
            f"{np.mean(self.turns):.1f} | {np.mean(self.half_hidden):.3f} | {min(self.closest):.2f} m"
        )


def count_turns(way: np.ndarray) -> int:
    """Turns of more than 45 degrees within a second, of a way (K, 2) at 10 Hz."""
    steps = way[5:] - way[:-5]
    goes = np.linalg.norm(steps, axis=1) > 0.2
    heading = np.unwrap(np.arctan2(steps[goes, 1], steps[goes, 0]))
    sharp = np.abs(heading[10:] - heading[:-10]) > TURN
    return int(sharp[:1].sum() + (sharp[1:] & ~sharp[:-1]).sum())


def play(env: Follow, seed: int, act: Act, walks: Walks | None = None) -> Outcome:
    """One episode; what it was like goes into `walks`."""
    observation, _ = env.reset(seed=seed)
    pursuit = env.pursuit
    way, visible, closest = [pursuit.crowd.positions[0]], [], np.inf
    while pursuit.status == "running":
        observation = env.step(act(pursuit, observation))[0]
        way.append(pursuit.crowd.positions[0])
        if walks is not None:
            closest = min(closest, closest_pair(pursuit.crowd.positions))
            if pursuit.step_count % 10 == 0:
                boxes = instance_boxes(pursuit.scene(), pursuit.camera, pursuit.look().ids)
                visible.append(float(boxes.visible[0]))
    if walks is not None:
        walks.add(pursuit, np.array(way), visible, closest)
    return pursuit.outcome()


def actor(name: str) -> Act:
    """A new agent by its name; it gets the observation, the expert everything."""
    if name == "expert":
        expert = Expert()
        return lambda pursuit, _: expert(pursuit) / LIMITS
    agent = AGENTS[name]()
    return lambda _, observation: agent(observation)


def measure(
    split: str, *, seeds: int = SEEDS, agents: tuple[str, ...] = ("expert", *AGENTS)
) -> tuple[list[Claim], str]:
    """Every agent on the first judging seeds: claims, and rows for docs/world.md."""
    env, walks, claims, rows = Follow(split), Walks(), [], []
    for name in agents:
        outcomes = [
            play(env, seed, actor(name), walks if name == "expert" else None)
            for seed in JUDGING[FIRST : FIRST + seeds]
        ]
        found = scores(outcomes)
        cells = []
        for metric, hits in (
            ("sr", sum(outcome.success for outcome in outcomes)),
            ("cr", sum(outcome.collision for outcome in outcomes)),
        ):
            low, high = wilson(hits, seeds)
            cells.append(f"{found[metric]:.3f} [{low:.3f}, {high:.3f}]")
        rows.append(f"| {split} | {name} | {cells[0]} | {found['tr']:.3f} | {cells[1]} |")
        print(rows[-1], file=sys.stderr, flush=True)
        claims += [_claim(split, name, metric, found[metric]) for metric in ("sr", "tr", "cr")]
    if walks.steps:
        rows.append(f"| {split} | {walks.row()} |")
        assert min(walks.closest) >= 2 * RADIUS - 1e-9
    return claims, "\n".join(rows)


def _claim(split: str, agent: str, metric: str, value: float) -> Claim:
    name = f"follow, {split}: {metric.upper()} of {agent}"
    if metric == "sr" and agent == "expert":
        return Claim(name=name, value=value, goal=LEAST_EXPERT)
    if metric == "sr" and agent == "straight on":
        return Claim(name=name, value=value, goal=MOST_STRAIGHT, better="lower")
    return Claim(name=name, value=value)


def measure_speed(split: str = "distracted", *, steps: int = 300) -> Claim:
    """Steps of the environment a second of processor time, pictures of 128 × 128 included."""
    env = Follow(split)
    env.reset(seed=0)
    act, done, spent = actor("expert"), 0, 0.0
    while done < steps:
        if env.pursuit.status != "running":
            env.reset(seed=done)
        action = act(env.pursuit, {})
        begun = time.process_time()
        env.step(action)
        if done >= 10:  # the first compile
            spent += time.process_time() - begun
        done += 1
    return Claim(name=f"follow, {split}: environment steps", value=(steps - 10) / spent, unit="/s")


def main(who: str, splits: tuple[str, ...]) -> None:
    for split in splits:
        claims, rows = measure(split, agents=GROUPS[who])
        print(rows)
        if who == "expert":
            claims.append(measure_speed(split))
        print(record("world", f"follow-{split}-{who}", claims), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], tuple(sys.argv[2:]) or SPLITS)
