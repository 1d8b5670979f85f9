"""The pilot: updates a second beside Stable-Baselines3, the replay's size and speed, how fast a decision is.

    wayscan bench fly [--json]

One thread, and its CPU time. What is flown and what was learnt takes longer and is recorded:

    python -m benchmarks.fly_flights       the bundled pilot: 200 forests, denser ones, MuJoCo's; and blind
    python -m benchmarks.fly_memory        peak memory of the seed's presets
    python -m benchmarks.fly_learning      what recipes/fly_compare.py found
"""

import sys
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import nn

from wayscan import warmup
from wayscan.fly.agent import VMambaTD3Agent
from wayscan.fly.memory import FrameMemory
from wayscan.fly.replay import SequenceReplay
from wayscan.fly.run import Pilot
from wayscan.fly.train_config import FlyTrainConfig

from .claims import Findings, Report, recorded_claims, show
from .sections import run_all
from .timing import medians, seconds_of, take_turns

MODEL = "fly-cpu"
IMAGE, STATES, ACTIONS, STACKED = (1, 64, 64), 10, 3, 4
LOW, HIGH = np.full(ACTIONS, -1, np.float32), np.full(ACTIONS, 1, np.float32)
BATCH, FILLED = 128, 600
CNN_GOAL, CPU_GOAL = 1.2, 0.4
ROUNDS, UPDATES = 9, 2  # the actor is updated every other time
STORED, EPISODE, WINDOWS = 20_000, 150, 60
SIZE_GOAL, SAMPLING_GOAL = 100.0, 1.0  # MB, ms
DECISIONS, LATENCY_GOAL = 200, 5.0  # ms
MEGABYTE, GIBIBYTE = 1e6, 2**30


def run(*, json: bool = False) -> int:
    """Measure and print; the exit code."""
    return show(measure(), json_line=json)


def measure() -> Report:
    """All claims, live."""
    findings, threads = Findings(), torch.get_num_threads()
    findings.claims += recorded_claims("fly")
    torch.set_num_threads(1)
    try:
        warmup()
        run_all(
            findings,
            {"updates": measure_updates, "replay": measure_replay, "decisions": measure_decisions},
        )
    finally:
        torch.set_num_threads(threads)
    return findings.report("fly")


# ---- updates --------------------------------------------------------------------------------------------


class Noise:
    """What an environment might show and pay, drawn at random."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def frame(self, count: int = 1) -> NDArray[np.uint8]:
        return self._rng.integers(0, 256, (count, *IMAGE[1:]), np.uint8)

    def vector(self, size: int) -> NDArray[np.float32]:
        return self._rng.uniform(-1, 1, size).astype(np.float32)

    def reward(self) -> float:
        return float(self._rng.normal())


def agent_of(**changes: Any) -> VMambaTD3Agent:
    """A `cpu` agent, perhaps changed, with a replay of noise."""
    config = FlyTrainConfig(preset="cpu", batch_size=BATCH, buffer_size=FILLED, learning_starts=0, **changes)
    agent = VMambaTD3Agent(STATES, IMAGE, spaces.Box(LOW, HIGH), config)
    noise, replay = Noise(), agent.replay_buffer
    replay.begin(0, noise.frame(), noise.vector(STATES))
    for _ in range(FILLED):
        replay.step(
            0, noise.vector(ACTIONS), noise.reward(), noise.frame(), noise.vector(STATES), terminated=False
        )
    return agent


class Still(gymnasium.Env):
    """The spaces for an agent that sees stacked frames; it is never stepped."""

    observation_space = spaces.Dict(
        depth=spaces.Box(0, 255, (STACKED, *IMAGE[1:]), np.uint8),
        base=spaces.Box(-1, 1, (STACKED * STATES,), np.float32),
    )
    action_space = spaces.Box(LOW, HIGH)


def peer() -> Any:
    """Stable-Baselines3's TD3 with a NatureCNN on the four frames and all their states, its replay filled."""
    from stable_baselines3 import TD3
    from stable_baselines3.common.logger import configure

    model = TD3(
        "MultiInputPolicy", Still(), batch_size=BATCH, buffer_size=FILLED, device="cpu", seed=0,
        policy_kwargs={"net_arch": [256, 256]},
    )  # fmt: skip
    model.set_logger(configure(None, []))
    noise = Noise()

    def moment() -> dict[str, NDArray[Any]]:
        return {"depth": noise.frame(STACKED)[None], "base": noise.vector(STACKED * STATES)[None]}

    for _ in range(FILLED):
        model.replay_buffer.add(
            moment(), moment(), noise.vector(ACTIONS)[None], np.array([noise.reward()]), np.zeros(1), [{}]
        )
    return model


def measure_updates(findings: Findings) -> None:
    """Sampling, critics, actor every other time, targets: 128 transitions an update."""
    agents = {
        "cnn": agent_of(encoder="cnn"),
        "cpu": agent_of(),
        "cnn, bf16": agent_of(encoder="cnn", precision="bf16"),
        "cnn, K = 4": agent_of(encoder="cnn", seq_len=STACKED),
        "cpu, K = 4": agent_of(seq_len=STACKED),
    }
    for name, agent in agents.items():
        if why := _learns_nothing(agent.networks.judge, lambda agent=agent: agent.train()["critic_loss"]):
            findings.fail(f"{name}: updates a second", why)
            return
    calls: dict[str, Any] = {
        name: lambda agent=agent: [agent.train() for _ in range(UPDATES)] for name, agent in agents.items()
    }
    other = None
    if find_spec("stable_baselines3") is None:
        findings.skip("updates over stable-baselines3's", "it is not installed; pip install 'wayscan[bench]'")
    else:
        other = peer()
        if why := _learns_nothing(other.critic, lambda: other.train(gradient_steps=1, batch_size=BATCH)):
            findings.fail("stable-baselines3: updates a second", why)
            return
        calls["peer"] = lambda: other.train(gradient_steps=UPDATES, batch_size=BATCH)
    seconds = medians(take_turns(calls, dict.fromkeys(calls, ROUNDS)))
    rates = {name: UPDATES / each for name, each in seconds.items()}
    goals = {"cnn": CNN_GOAL, "cnn, K = 4": CNN_GOAL, "cpu": CPU_GOAL}
    for name, agent in agents.items():
        sizes = _millions(agent.networks.policy, agent.networks.judge)
        about = f"batch {BATCH}, {agent.config.seq_len} frames of 64×64, {sizes}"
        findings.claim(f"{name}: updates a second", rates[name], unit="1/s", against=about)
        if other is not None:
            theirs = f"{rates['peer']:.1f} a second, {_millions(other.actor, other.critic)}"
            findings.claim(
                f"{name}: updates a second over stable-baselines3's", rates[name] / rates["peer"], unit="×",
                goal=goals.get(name), against=f"TD3, NatureCNN on 4×64×64 uint8 and a vector: {theirs}",
            )  # fmt: skip


def _learns_nothing(network: nn.Module, update: Any) -> str:
    """What is wrong with an update, if anything."""
    before = [weight.detach().clone() for weight in network.parameters()]
    loss = update()
    after = list(network.parameters())
    if not all(torch.isfinite(weight).all() for weight in after) or not np.isfinite(loss or 0.0):
        return f"after an update the loss is {loss} and weights may not be finite"
    moved = sum(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    return "" if moved > len(after) // 2 else f"an update moved {moved} of {len(after)} weights"


def _millions(actor: nn.Module, critics: nn.Module) -> str:
    sizes = [sum(weight.numel() for weight in each.parameters()) / 1e6 for each in (actor, critics)]
    return f"actor {sizes[0]:.2f} M + critics {sizes[1]:.2f} M weights"


# ---- replay ---------------------------------------------------------------------------------------------


def measure_replay(findings: Findings) -> None:
    """20,000 steps, K = 4: what it takes, and how long 128 windows take."""
    store = filled_replay(STORED)
    title = f"replay of {STORED:,} steps of 64×64, K = {STACKED}"
    if why := wrong_windows(store):
        findings.fail(title, why)
        return
    pairs = STORED * 2 * STACKED * int(np.prod(IMAGE)) * 4 / GIBIBYTE
    assert store.frames is not None
    rows = (store.frames, store.states, store.actions, store.meant, store.rewards, store.ages, store.acted)
    size = sum(each.nbytes for each in (*rows, store.ended)) / MEGABYTE
    findings.claim(
        f"{title}: memory", size, unit="MB", goal=SIZE_GOAL, better="lower",
        against=f"pairs of float32 windows would take {pairs:.1f} GiB",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    samples = take_turns({"ours": lambda: store.sample(BATCH, rng)}, {"ours": WINDOWS})
    findings.claim(
        f"{title}: {BATCH} windows", 1e3 * medians(samples)["ours"], unit="ms", goal=SAMPLING_GOAL,
        better="lower", against=f"{STACKED} frames before, {STACKED} after, rebuilt on sampling",
    )  # fmt: skip


def filled_replay(steps: int) -> SequenceReplay:
    """Episodes of EPISODE steps; each moment's state and frame hold its episode and its time."""
    store = SequenceReplay(steps, STACKED, image=IMAGE, state_dim=STATES, low=LOW, high=HIGH)
    for done in range(0, steps, EPISODE):
        episode = done // EPISODE
        store.begin(0, _marked(episode, 0), _state(episode, 0))
        for time in range(1, EPISODE + 1):
            store.step(
                0, LOW, 0.0, _marked(episode, time), _state(episode, time),
                terminated=False, truncated=time == EPISODE,
            )  # fmt: skip
    return store


def _marked(episode: int, time: int) -> NDArray[np.uint8]:
    frame = np.zeros(IMAGE, np.uint8)
    frame[0, 0, :2] = episode % 256, time
    return frame


def _state(episode: int, time: int) -> NDArray[np.float32]:
    return np.array([episode, time] + [0] * (STATES - 2), np.float32)


def wrong_windows(store: SequenceReplay) -> str:
    """What is wrong with sampled windows, if anything: moments of one episode in order, its start padded."""
    drawn = store.sample(4 * BATCH, np.random.default_rng(1))
    assert drawn.frames is not None
    episodes, times = drawn.states[..., 0], drawn.states[..., 1]
    expected = np.maximum(times[:, -1:] + np.arange(-STACKED, 1), 0)
    if not (episodes == episodes[:, :1]).all() or not (times == expected).all():
        return "a window holds moments of another episode, or out of order"
    marks = np.stack([episodes % 256, times], axis=-1)
    return "" if (drawn.frames[:, :, 0, 0, :2] == marks).all() else "frames and states of a window differ"


# ---- decisions ------------------------------------------------------------------------------------------


def measure_decisions(findings: Findings) -> None:
    """From a frame and a state to an action: the newest frame encoded alone, or all of them again."""
    noise, pilot = Noise(), Pilot.from_pretrained(MODEL)
    anew = FrameMemory(pilot.policy)
    moments = [(noise.frame()[None], noise.vector(STATES)[None]) for _ in range(DECISIONS)]
    samples: dict[str, list[float]] = {"newest": [], "anew": []}
    apart, title = 0.0, f"{MODEL}: from a frame to an action"
    for number, (frame, state) in enumerate(moments):
        chosen: dict[str, Any] = {}

        def newest(frame: Any = frame, state: Any = state, chosen: dict[str, Any] = chosen) -> None:
            chosen["newest"] = pilot.step({"base": state[0], "depth": frame[0]}).share

        def again(
            frame: Any = frame, state: Any = state, chosen: dict[str, Any] = chosen, number: int = number
        ) -> None:
            chosen["anew"] = anew.act(frame, state, version=number)[0]

        samples["newest"].append(seconds_of(newest))
        samples["anew"].append(seconds_of(again))
        apart = max(apart, float(np.abs(chosen["newest"] - chosen["anew"]).max()))
    if not apart < 1e-4:
        findings.fail(title, f"features kept and features made anew lead to actions {apart:.1e} apart")
        return
    milliseconds = {name: 1e3 * each for name, each in medians(samples).items()}
    count = pilot.config.seq_len
    findings.claim(
        title, milliseconds["newest"], unit="ms", goal=LATENCY_GOAL, better="lower",
        against=f"one thread; the newest of {count} frames is encoded, features of the others are kept",
    )  # fmt: skip
    findings.claim(
        f"{title}, all {count} frames encoded anew", milliseconds["anew"], unit="ms",
        better="lower", against="the same actions",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(json="--json" in sys.argv[1:]))
