"""A flight as a film: what the pilot sees, what it commands, and where it is from above.

One matplotlib figure is drawn once; each frame restores its ground and draws anew what moves.
"""

from collections.abc import Callable, Iterator
from math import cos, pi, sin, tan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayscan.data.fonts import Language, font_settings
from wayscan.data.footage import Image
from wayscan.data.video import write_video
from wayscan.fly.figures import COLOURS, DARK, GREY, OUTCOMES, SLOW_TO_FAST, picture, word
from wayscan.fly.recording import Flight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE, DPI = (11.2, 5.0), 100  # inches, pixels an inch
FPS = 10.0  # where an environment does not say how long an action takes
HOLD = 1.6  # s that the last moment stays
REACH = 6.0  # m of what the drone sees that the map shows
DRONE = 1.4 * np.array([[0.9, 0.0], [-0.6, 0.5], [-0.3, 0.0], [-0.6, -0.5]])  # m, larger than life, nose at x
FOREST_ACTIONS = (("back", "forward"), ("left", "right"), ("down", "up"))

Draw = Callable[[int], list[Any]]  # a moment → the artists that show it


def write_film(path: Path, flight: Flight, model: str, language: Language = "en") -> int:
    """Write a flight with images as .mp4 or .webm, in real time; returns the number of frames."""
    import matplotlib

    rate = 1 / flight.seconds if flight.seconds else FPS
    with matplotlib.rc_context({"font.size": 10, "axes.unicode_minus": False, **font_settings(language)}):  # type: ignore[arg-type]
        return write_video(path, film(flight, model, language, hold=round(HOLD * rate)), rate)


def film(flight: Flight, model: str, language: Language, *, hold: int) -> Iterator[Image]:
    """The frames; the last one stands for `hold` more."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.53, 0.92, f"{model}   {word('seed {}', language, flight.seed)}", fontsize=13)
    parts = [_eye(figure, flight, language), _commands(figure, flight, language)]
    parts.append(_words(figure, flight, language))
    if flight.way is not None:
        parts.append(_map(figure, flight))
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)  # type: ignore[attr-defined]
    for moment in [*range(len(flight)), *[len(flight)] * (1 + hold)]:
        canvas.restore_region(ground)  # type: ignore[attr-defined]
        for part in parts:
            for artist in part(moment):
                figure.draw_artist(artist)
        yield np.array(canvas.buffer_rgba())[..., :3].copy()


def _eye(figure: "Figure", flight: Flight, language: Language) -> Draw:
    """The image, large, with the scale of its depth; at the end how it went."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    frames = flight.frames
    assert frames is not None
    axes = figure.add_axes((0.012, 0.02, 0.43, 0.963))
    axes.set_axis_off()
    shown = axes.imshow(picture(frames[0], flight.far), interpolation="nearest", animated=True)
    if flight.far and frames.shape[1] < 3:
        bar = figure.add_axes((0.45, 0.02, 0.01, 0.9))
        scale = figure.colorbar(ScalarMappable(Normalize(0, flight.far), "inferno_r"), cax=bar)
        scale.set_ticks(np.linspace(0, flight.far, 5).tolist())
        scale.outline.set_visible(False)  # type: ignore[operator]
        bar.tick_params(length=0, labelsize=9)
        bar.set_title(word("m", language), fontsize=9)
    colour = OUTCOMES.get(flight.outcome, DARK)
    end = axes.text(
        0.5, 0.93, word(flight.outcome, language), transform=axes.transAxes, ha="center", va="top",
        fontsize=20, color="white", animated=True,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": colour, "edgecolor": "none"},
    )  # fmt: skip

    def draw(moment: int) -> list[Any]:
        shown.set_data(picture(frames[moment], flight.far))
        return [shown, end] if moment == len(flight) else [shown]

    return draw


def _map(figure: "Figure", flight: Flight) -> Draw:
    """From above: obstacles, what moves, the trail so far, the drone and what is in its view."""
    from matplotlib.patches import Polygon

    from wayscan.world.envs.forest_view import draw_map

    way = flight.way
    assert way is not None
    axes = figure.add_axes((0.53, 0.4, 0.46, 0.5))
    draw_map(axes, way.forest, {})
    axes.set(xlabel="", ylabel="", anchor="NW", yticks=range(0, int(way.forest.width) + 1, 5))
    axes.tick_params(labelsize=8)
    inside, yaws = way.forest.inside(way.positions[:, :2]), way.yaws - way.forest.turn
    movers = axes.plot([], [], "o", color="#e0701a", markersize=6, animated=True)[0]
    trail = axes.plot([], [], color=SLOW_TO_FAST[-1], linewidth=2.2, animated=True)[0]
    cone = Polygon(DRONE, color=SLOW_TO_FAST[1], alpha=0.25, linewidth=0, animated=True)
    drone = Polygon(DRONE, facecolor=SLOW_TO_FAST[0], edgecolor="white", animated=True)
    axes.add_patch(cone)
    axes.add_patch(drone)
    side = REACH * tan(min(flight.view or 0.0, 0.9 * pi) / 2)
    seen = np.array([[0, 0], [REACH, side], [REACH, -side]])

    def draw(moment: int) -> list[Any]:
        place, yaw = inside[moment], float(yaws[moment])
        movers.set_data(*way.forest.inside(way.movers[moment]).T)
        trail.set_data(*inside[: moment + 1].T)
        cone.set_xy(place + _turned(seen, yaw))
        drone.set_xy(place + _turned(DRONE, yaw))
        return [cone, movers, trail, drone]

    return draw


def _commands(figure: "Figure", flight: Flight, language: Language) -> Draw:
    """A bar for each action, from its middle."""
    count = flight.shares.shape[1]
    named = flight.way is not None and count == len(FOREST_ACTIONS)
    axes = figure.add_axes((0.6, 0.06, 0.17, 0.25))
    axes.set(xlim=(-1, 1), ylim=(count - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_title(word("commands", language), fontsize=11)
    axes.spines[:].set_visible(False)
    bars = []
    for row in range(count):
        low, high = FOREST_ACTIONS[row] if named else ("", word("action {}", language, row + 1))
        axes.text(-1.06, row, word(low, language), ha="right", va="center")
        axes.text(1.06, row, word(high, language), ha="left", va="center")
        axes.barh(row, 2, left=-1, height=0.62, color="#ececec")
        bars += axes.barh(row, 0, height=0.62, color=COLOURS[row % len(COLOURS)], animated=True)
    axes.axvline(0, color=GREY, linewidth=1)
    # A turn to the left is positive for the environment, and on the left for people.
    signs = np.array([1.0, -1.0, 1.0]) if named else np.ones(count)

    def draw(moment: int) -> list[Any]:
        shares = flight.shares[min(moment, len(flight) - 1)] * signs
        for bar, share in zip(bars, shares.tolist(), strict=True):
            bar.set_width(share)
        return bars

    return draw


def _words(figure: "Figure", flight: Flight, language: Language) -> Draw:
    """Time, return and, where the world tells, the way to go, speed and height."""
    shown = figure.text(0.85, 0.35, "", fontsize=11, va="top", linespacing=1.6, animated=True)

    def draw(moment: int) -> list[Any]:
        if flight.seconds is None:
            lines = [word("step {}", language, moment)]
        else:
            lines = [word("time {:.1f} s", language, moment * flight.seconds)]
        if (way := flight.way) is not None:
            left = float(np.linalg.norm(way.forest.goal - way.positions[moment]))
            lines += [
                word("goal in {:.1f} m", language, left),
                word("speed {:.1f} m/s", language, float(way.speeds[moment])),
                word("height {:.1f} m", language, float(way.positions[moment, 2])),
            ]
        lines.append(word("return {:.1f}", language, float(flight.rewards[:moment].sum())))
        shown.set_text("\n".join(lines))
        return [shown]

    return draw


def _turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    c, s = cos(angle), sin(angle)
    return points @ np.array([[c, s], [-s, c]])
