"""One evaluation from names: a pilot on an environment's fixed seeds, beside its baselines."""

import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from wayscan.fly.environment import forest_vector, is_one_simulator, make_environment
from wayscan.fly.evaluate import Deciding, Episodes, blind, deciding, fly_episodes, random_actions, several
from wayscan.fly.recording import expect_fit
from wayscan.fly.run import Pilot
from wayscan.train.determinism import deterministic
from wayscan.world.envs.forest_trials import fly_trials
from wayscan.world.envs.forest_worlds import configure
from wayscan.world.envs.pilots import make_pilot
from wayscan.world.splits import seeds_of

TRIVIAL = ("straight", "random", "potential")
SHOWN = ("success", "collision", "timeout", "spl", "speed", "return", "length")


class Judged(NamedTuple):
    """What an evaluation found; metrics by name, of baselines and references by theirs."""

    model: str
    env_name: str
    seeds: range
    flown: Episodes
    baselines: dict[str, dict[str, float]]
    references: dict[str, dict[str, float]]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """What `wayscan fly evaluate --json` prints."""
        return {
            "system": "fly", "model": self.model, "data": self.env_name, "synthetic": True,
            "n": len(self.seeds), "seed": self.seeds.start, "metrics": self.flown.metrics(),
            "intervals": {name: list(ends) for name, ends in self.flown.intervals().items()},
            "baselines": self.baselines, "peers": {}, "references": self.references,
            "seconds": self.seconds,
        }  # fmt: skip

    def table(self) -> str:
        """One line a pilot."""
        rows = {self.model: self.flown.metrics(), **self.baselines, **self.references}
        names = [name for name in SHOWN if name in rows[self.model]]
        width = max(map(len, rows))
        head = f"{'':{width}}" + "".join(f"{name:>11}" for name in names)
        lines = [
            f"{pilot:{width}}" + "".join(f"{metrics[name]:11.3f}" for name in names)
            for pilot, metrics in rows.items()
        ]
        return "\n".join(
            [f"{self.env_name}, {len(self.seeds)} episodes from seed {self.seeds.start}", head, *lines]
        )


def judge(
    model: str,
    env_name: str,
    options: Mapping[str, Any],
    *,
    episodes: int,
    purpose: Literal["judging", "tuning"] = "judging",
    device: str = "cpu",
    threads: int = 1,
    blank_depth: bool = False,
) -> Judged:
    """Fly a saved pilot and its baselines through the same episodes.

    Args:
        blank_depth: fly them once more, the pilot's images blank: how far does it come without sight?
    """
    pilot = Pilot.from_pretrained(model, device=device)
    if blank_depth and pilot.config.image is None:
        raise ValueError(f"{model} sees no images; expected one that does: leave blank_depth out")
    seeds = seeds_of(purpose)[:episodes]
    env = make_environment(env_name, options)
    expect_fit(pilot.config, env, model, env_name)
    env.close()
    began = time.perf_counter()

    def fly(decide: Deciding) -> Episodes:
        most = 1 if is_one_simulator(env_name) else 10
        with several(lambda: make_environment(env_name, options), seeds, most) as envs:
            return fly_episodes(decide, envs, seeds)

    with deterministic(threads):
        flown = fly(deciding(pilot.policy))
        blank = fly(blind(deciding(pilot.policy))) if blank_depth else None
    baselines: dict[str, dict[str, float]] = {}
    references: dict[str, dict[str, float]] = {}
    if blank is not None:
        references["depth blanked"] = blank.metrics()
    many = forest_vector(env_name)
    if many is not None:
        config = configure(**options)
        for name in (*TRIVIAL, "expert"):
            home = references if name == "expert" else baselines
            home[name] = fly_trials(make_pilot(name), seeds, config, make=many).metrics()
    else:
        baselines["random"] = fly(random_actions(pilot.config.action_dim)).metrics()
    return Judged(model, env_name, seeds, flown, baselines, references, time.perf_counter() - began)
