"""Forest-v0: how fast it runs, and how hard it is for pilots that learn nothing.

wayscan bench world [--json]           steps a second, live
python -m benchmarks.world_forest      flies and records the difficulty, prints its table (a minute)
"""

import time
from statistics import median

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from wayscan.world.envs.forest import Forest, ForestVector
from wayscan.world.envs.forest_trials import Flights, fly_trials
from wayscan.world.envs.forest_worlds import FOREST_VERSION, ForestConfig, configure
from wayscan.world.envs.pilots import PILOTS, make_pilot
from wayscan.world.forests import DENSER, DENSITY
from wayscan.world.splits import JUDGING

from .claims import Claim, Findings, record

WORLDS, STEPS, ROUNDS = 16, 60, 9
STEPS_GOAL = 8000
SEEDS = JUDGING[:200]
VARIANTS: dict[str, ForestConfig] = {
    f"{DENSITY:g} on 100 m²": configure(stack=1),
    f"denser by half, {DENSER:g} on 100 m²": configure(stack=1, density=DENSER),
    f"{DENSITY:g} on 100 m², 4 movers": configure(stack=1, moving=4),
}
GOALS = {"straight": (0.40, "lower"), "expert": (0.97, "higher")}


def measure_steps(findings: Findings) -> None:
    """Steps a second of one process, images included, against Gymnasium's own loop over drones."""
    ours = ForestVector(WORLDS, stack=1)
    theirs = SyncVectorEnv(
        [lambda: Forest(stack=1) for _ in range(WORLDS)], autoreset_mode=AutoresetMode.SAME_STEP
    )
    title = f"Forest-v0: environment steps, {WORLDS} worlds, one process, 64×64 depth"
    if not _alike(ours, theirs):
        findings.fail(title, "the vector's observations are not those of single drones")
        return
    rates = {name: [] for name in ("ours", "theirs")}
    for _ in range(ROUNDS):
        rates["ours"].append(_steps_a_second(ours, STEPS))
        rates["theirs"].append(_steps_a_second(theirs, STEPS // 6))
    vector, loop = median(rates["ours"]), median(rates["theirs"])
    findings.claim(
        title, vector, unit="/s", goal=STEPS_GOAL, against="processor time, the straight pilot's actions"
    )
    findings.claim(
        f"{title}: times SyncVectorEnv", vector / loop, unit="×", against="gymnasium's SyncVectorEnv"
    )


def measure_difficulty() -> list[Claim]:
    """Fly all pilots through all variants; print the table of docs/world.md; the claims."""
    print(f"Forest-v0, version {FOREST_VERSION}, seeds {SEEDS[0]} to {SEEDS[-1]}, 95 % intervals\n")
    print("| forests | pilot | success | collision | timeout | SPL | speed, m/s | return |")
    print("|---|---|---|---|---|---|---|---|")
    claims = []
    for title, config in VARIANTS.items():
        for name in PILOTS:
            flights = fly_trials(make_pilot(name), SEEDS, config)
            print(_row(title, name, flights), flush=True)
            goal, better = GOALS.get(name, (None, "higher"))
            claims.append(
                Claim(
                    name=f"Forest-v0, {title}: success of the {name} pilot",
                    value=flights.metrics()["success"],
                    goal=goal,
                    better=better,
                    against=f"{len(SEEDS)} seeds",
                )
            )
    return claims


def _row(title: str, name: str, flights: Flights) -> str:
    means, spans = flights.metrics(), flights.intervals()

    def cell(metric: str, digits: int) -> str:
        low, high = spans[metric]
        return f"{means[metric]:.{digits}f} ({low:.{digits}f} … {high:.{digits}f})"

    rates = [cell(metric, 3) for metric in ("success", "collision", "timeout", "spl")]
    return f"| {title} | {name} | " + " | ".join([*rates, cell("speed", 2), cell("return", 1)]) + " |"


def _alike(one: VectorEnv, other: VectorEnv) -> bool:
    same, (first, _), (second, _) = True, one.reset(seed=0), other.reset(seed=0)
    for _ in range(10):
        same = same and all(np.array_equal(first[name], second[name]) for name in first)
        actions = _actions(first)
        first, second = one.step(actions)[0], other.step(actions)[0]
    return same


def _actions(observation: dict[str, np.ndarray]) -> np.ndarray:
    """Straight to the goal, so that episodes end as they do in training."""
    bearing = np.pi * observation["base"][:, 8]
    return np.stack([np.ones_like(bearing), np.clip(2 * bearing, -1, 1), np.zeros_like(bearing)], axis=-1)


def _steps_a_second(envs: VectorEnv, steps: int) -> float:
    observation, _ = envs.reset(seed=0)
    begun = time.process_time()
    for _ in range(steps):
        observation = envs.step(_actions(observation))[0]
    return envs.num_envs * steps / (time.process_time() - begun)


def main() -> None:
    print(record("world", "forest", measure_difficulty()))


if __name__ == "__main__":
    main()
