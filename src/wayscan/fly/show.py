"""Look at a pilot: figures of what goes on inside, its flights from above, and a film of what it sees.

shown = show_pilot("fly-cpu", "pictures", language="zh")
shown.written["flights"], shown.skipped
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wayscan.data.fonts import Language, font_settings
from wayscan.data.runs.folder import is_run
from wayscan.fly.figures import paint_attention, paint_features, paint_flights, paint_returns, save_figure
from wayscan.fly.film import write_film
from wayscan.fly.insight import Insight, look_inside
from wayscan.fly.open import made_folder, opened
from wayscan.fly.recording import Flight, RandomPilot, record
from wayscan.fly.run import Pilot
from wayscan.train.determinism import deterministic
from wayscan.train.show import draw_curves
from wayscan.world.splits import JUDGING

FIRST_SEED = JUDGING.start  # forests that no training has seen


class Shown(NamedTuple):
    """What was written, by name; what was left out, and why; the flights, and random ones on their seeds."""

    written: dict[str, Path]
    skipped: dict[str, str]
    flights: list[Flight]
    random: list[Flight]
    env_name: str


def show_pilot(
    model: str,
    out: str | Path,
    *,
    env_name: str | None = None,
    env_options: Mapping[str, Any] | None = None,
    seed: int = FIRST_SEED,
    flights: int = 6,
    steps: int = 100,
    language: Language = "en",
    device: str = "cpu",
    on_part: Callable[[str], None] = lambda part: None,
) -> Shown:
    """Fly, and write attention.png, features.png, flights.png, returns.png and flight.mp4 into a folder.

    Args:
        model: a folder, a training run, a bundled model, or a hub id; a run's curves are drawn, too.
        env_name, env_options: a Gymnasium environment; see `opened`.
        seed: of the first flight, which the attention and the film show; the next ones count up.
        flights: how many.
        steps: of the features; they go on into the next flights, as the seed's do.
        on_part: told what is being done.
    """
    if flights < 1 or steps < 1:
        raise ValueError(f"flights, steps are {(flights, steps)}; expected 1 or more of each")
    font_settings(language)  # refuses a language without a font before anything is flown
    with deterministic(threads=1), opened(model, env_name, env_options, device) as (pilot, env, name, called):
        out, flown = made_folder(out), []
        for number in range(flights):
            on_part(f"flight {number + 1} of {flights}")
            flown.append(record(pilot, env, seed + number))
        on_part("random actions")
        idle = [record(RandomPilot(env.action_space, each.seed), env, each.seed) for each in flown]
        enough = _until(pilot, env, flown, steps)
    insights = [_inside(pilot, each) for each in enough]
    first, attention, skipped = flown[0], insights[0].attention, left_out(flown[0], insights[0])
    content: dict[str, Callable[[Any], None]] = {
        "attention": lambda figure: paint_attention(figure, first, attention, called, language),  # type: ignore[arg-type]
        "features": lambda figure: paint_features(figure, *_features(insights, steps), called, language),
        "returns": lambda figure: paint_returns(figure, flown, idle, called, language),
        "flights": lambda figure: paint_flights(figure, flown, called, language),
    }
    written = {}
    for part, paint in content.items():
        if part not in skipped:
            on_part(part)
            written[part] = save_figure(out / f"{part}.png", language, paint)
    if "film" not in skipped:
        on_part("film")
        written["film"] = out / "flight.mp4"
        write_film(written["film"], first, called, language)
    if is_run(Path(model)):
        try:
            written["curves"] = draw_curves(model, out / "curves.png", language)
        except ValueError as nothing_yet:
            skipped["curves"] = str(nothing_yet)
    return Shown(written, skipped, flown, idle, name)


def left_out(flight: Flight, insight: Insight) -> dict[str, str]:
    """What cannot be shown of a pilot and its environment, and why."""
    skipped = {}
    if insight.attention is None:
        skipped["attention"] = "this encoder has no attention (vmamba has, and a cnn with --temporal)"
    elif insight.attention.shape[2] == 1:
        skipped["attention"] = "a decision sees one frame (seq_len 1), which gets all attention"
    if flight.way is None:
        skipped["flights"] = "this environment has no map to draw"
    if flight.frames is None:
        skipped["film"] = "this environment shows no images"
    return skipped


def visualize_attention_weights(
    model: str,
    out: str | Path = "attention.png",
    *,
    env_name: str | None = None,
    env_options: Mapping[str, Any] | None = None,
    seed: int = FIRST_SEED,
    language: Language = "en",
) -> Path:
    """The seed's heat map of the cross attention: of each head, over a flight and at single decisions."""
    with opened(model, env_name, env_options) as (pilot, env, _, called):
        flight = record(pilot, env, seed)
    insight = _inside(pilot, flight)
    if why := left_out(flight, insight).get("attention"):
        raise ValueError(f"{model} has no attention to show: {why}")
    weights: Any = insight.attention
    return save_figure(
        Path(out), language, lambda figure: paint_attention(figure, flight, weights, called, language)
    )


def visualize_feature_evolution(
    model: str,
    num_steps: int = 100,
    out: str | Path = "features.png",
    *,
    env_name: str | None = None,
    env_options: Mapping[str, Any] | None = None,
    seed: int = FIRST_SEED,
    language: Language = "en",
) -> Path:
    """The seed's panels of visual, state and context features over steps, ten dimensions of each."""
    with opened(model, env_name, env_options) as (pilot, env, _, called):
        flights = _until(pilot, env, [record(pilot, env, seed)], num_steps)
    content = _features([_inside(pilot, flight) for flight in flights], num_steps)
    return save_figure(Path(out), language, lambda figure: paint_features(figure, *content, called, language))


def _until(pilot: Pilot, env: Any, flights: Sequence[Flight], steps: int) -> list[Flight]:
    """The flights, and the next ones while they have fewer steps together."""
    enough = list(flights)
    while sum(map(len, enough)) < steps:
        enough.append(record(pilot, env, enough[-1].seed + 1))
    return enough


def _inside(pilot: Pilot, flight: Flight) -> Insight:
    frames = None if flight.frames is None else flight.frames[:-1]
    return look_inside(pilot.policy, frames, flight.states[:-1])


def _features(insights: Sequence[Insight], steps: int) -> tuple[dict[str, Any], list[int]]:
    """Panels by name, the first `steps` of all flights in a row; where the second and later ones begin."""
    panels = {"visual features": "visual", "state features": "state", "context": "context"}
    rows = {title: [getattr(each, name) for each in insights] for title, name in panels.items()}
    joined = {title: np.concatenate(row)[:steps] for title, row in rows.items() if row[0] is not None}
    begins = np.cumsum([len(each.state) for each in insights])[:-1]
    return joined, [int(begin) for begin in begins if begin < steps]
