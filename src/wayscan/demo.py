"""`wayscan demo`: a minute's look at what there is, offline, with figures that can be checked."""

import math
import time
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from wayscan.nn import Mamba
from wayscan.ops import selective_scan, warmup

VOCABULARY, KEPT, LENGTH = 8, 4, 24
STEPS, BATCH = 500, 32


def run(out: Path, seed: int) -> int:
    torch.manual_seed(seed)
    print("wayscan demo\n")
    start = time.perf_counter()
    warmup()
    print(f"kernels ready after {time.perf_counter() - start:.1f} s (compiled once for each processor)\n")
    show_scan()
    losses, accuracy = show_learning()
    figure = draw(out, losses, accuracy)
    print(f"  figure: {figure}")
    show_world(out)
    show_tracking(out)
    show_flight(out)
    show_forecast()
    return 0


# ---- the scan and its definition ------------------------------------------------------------------------


def show_scan() -> None:
    """Time and error of the engines on one layer of a tracker."""
    batch, channels, length, states = 2, 384, 249, 16
    u, delta, z = (torch.randn(batch, channels, length) for _ in range(3))
    A, B, C = (
        -torch.rand(channels, states) - 0.1,
        torch.randn(batch, states, length),
        torch.randn(batch, states, length),
    )
    tensors = {"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": torch.randn(channels), "z": z}

    def scan(**options) -> Tensor:
        return selective_scan(**{**tensors, **options}, delta_softplus=True)

    exact = scan(**{name: x.double() for name, x in tensors.items()}, backend="reference")
    print(f"one selective scan (batch {batch}, {channels} channels, {length} steps, {states} states):")
    for backend in ("reference", "fallback", "cpu"):
        out = scan(backend=backend)
        seconds = min(_seconds(lambda backend=backend: scan(backend=backend)) for _ in range(5))
        error = ((out - exact).abs().max() / exact.abs().max()).item()
        print(f"  {backend:<10} {1e3 * seconds:8.2f} ms   error against float64 {error:.0e}")


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ---- a model that learns --------------------------------------------------------------------------------


def copying_task(batch: int) -> tuple[Tensor, Tensor]:
    """Selective copying: a few letters lie scattered among blanks; after the last step, say them in order.

    Returns:
        tokens (B, LENGTH + KEPT), blank = VOCABULARY, and the letters (B, KEPT).
    """
    letters = torch.randint(VOCABULARY, (batch, KEPT))
    places = torch.rand(batch, LENGTH).argsort(1)[:, :KEPT].sort(1).values
    tokens = torch.full((batch, LENGTH + KEPT), VOCABULARY)
    tokens.scatter_(1, places, letters)
    tokens[:, LENGTH:] = VOCABULARY + 1  # "now"
    return tokens, letters


class Copier(nn.Module):
    """Two Mamba blocks between an embedding and a vote over letters."""

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY + 2, channels)
        self.norms = nn.ModuleList(nn.RMSNorm(channels) for _ in range(2))
        self.mixers = nn.ModuleList(Mamba(channels) for _ in range(2))
        self.head = nn.Linear(channels, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, L) → logits (B, KEPT, VOCABULARY) of the last steps."""
        x = self.embedding(tokens)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            x = x + mixer(norm(x))
        return self.head(x[:, -KEPT:])


def show_learning() -> tuple[list[float], float]:
    """Train the copier; its losses, and its accuracy on sequences it has not seen."""
    model = Copier()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, STEPS)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"\ntwo Mamba blocks ({count:,} parameters) learn selective copying, {STEPS} steps:")
    losses = []
    start = time.perf_counter()
    for step in range(1, STEPS + 1):
        tokens, letters = copying_task(BATCH)
        loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), letters.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % (STEPS // 5) == 0:
            print(f"  step {step:4d}   loss {losses[-1]:.3f}   {time.perf_counter() - start:5.1f} s")
    tokens, letters = copying_task(500)
    with torch.no_grad():
        accuracy = (model(tokens).argmax(-1) == letters).float().mean().item()
    print(f"  letters right: {accuracy:.1%}   by chance: {1 / VOCABULARY:.1%}")
    return losses, accuracy


# ---- the world and three systems ---------------------------------------------------------------------


def show_world(out: Path) -> None:
    """One picture of each data set: a clip, a walk, a drive by both its cameras."""
    from wayscan.data.drawing import contact_sheet, draw_box, save_picture
    from wayscan.world.drives import NOW, make_drive
    from wayscan.world.films import make_film
    from wayscan.world.following.tasks import FollowSpec
    from wayscan.world.follows import FollowsSpec, make_follow

    start = time.perf_counter()
    film, drive = make_film(3, 4), make_drive(3, 0)
    walk = make_follow(3, 0, FollowsSpec(follow=FollowSpec(width=192, height=192)))
    frame = draw_box(film.frame(0).copy(), film.boxes[0], words="target")
    pictures = [
        frame,
        walk.videos["front"][40],
        *(drive.videos[name][NOW] for name in ("vehicle", "roadside")),
    ]
    sheet = save_picture(out / "world.png", contact_sheet(pictures, columns=4))
    print(f"\nthe embedded world, {time.perf_counter() - start:.1f} s (everything in it is synthetic):")
    print(f"  told to the robot: {walk.text!r}\n  told to the driver: {drive.text!r}\n  figure: {sheet}")


def show_tracking(out: Path) -> None:
    """The bundled tracker on a clip that nothing learnt from, beside the box that never moves; its video."""
    from wayscan.data.drawing import BLUE, draw_box
    from wayscan.data.video import write_video
    from wayscan.track.evaluate import StaticBox, follow
    from wayscan.track.metrics import got10k_metrics, got10k_overlaps
    from wayscan.track.run import Tracker
    from wayscan.world.films import make_film

    clip = make_film(3, 4)
    height, width = clip.frame(0).shape[:2]
    followers = {"track-nano": Tracker.from_pretrained("track-nano"), "static box": StaticBox()}
    print(f"\n{clip.text} is followed through {len(clip)} frames of a film:")
    for name, follower in followers.items():
        journey = follow(follower, clip, clip.boxes[0])
        overlaps = got10k_overlaps(journey.boxes, clip.boxes, clip.visible, width, height)
        print(f"  {name:<16} average overlap {got10k_metrics(overlaps)['ao']:.3f}")
        if name != "static box":
            frames = (
                draw_box(draw_box(frame.copy(), truth, BLUE), box, words="tracker")
                for frame, truth, box in zip(clip, clip.boxes, journey.boxes, strict=True)
            )
            write_video(out / "tracked.mp4", frames, 12.5)
    print(f"  video, the truth in blue: {out / 'tracked.mp4'}")


def show_flight(out: Path, forests: int = 6) -> None:
    """The bundled pilot in forests that nothing learnt from, beside a drone that flies straight on."""
    if find_spec("gymnasium") is None:
        print('\nflights are left out, for gymnasium is not installed: pip install "wayscan[fly]"')
        return
    from wayscan.fly.figures import paint_flights, save_figure
    from wayscan.fly.open import opened
    from wayscan.fly.recording import record
    from wayscan.world.envs.forest_trials import fly_trials
    from wayscan.world.envs.pilots import make_pilot
    from wayscan.world.splits import JUDGING

    seeds = list(JUDGING[:forests])
    with opened("fly-cpu", None, None) as (pilot, env, _, name):
        flights = [record(pilot, env, seed) for seed in seeds]
    straight = fly_trials(make_pilot("straight"), seeds).metrics()["success"]
    print(f"\n{forests} flights through forests, by depth images:")
    print(f"  {name:<16} {sum(flight.outcome == 'success' for flight in flights)} reach the goal")
    print(f"  {'straight line':<16} {round(forests * straight)}")
    figure = save_figure(out / "flights.png", "en", lambda page: paint_flights(page, flights, name, "en"))
    print(f"  figure: {figure}")


def show_forecast() -> None:
    """The bundled forecaster on the years that nothing was chosen on, beside the last value."""
    import numpy as np

    from wayscan.forecast import Forecaster
    from wayscan.forecast.series.packaged import packaged

    counts, judged = packaged("sunspots").column("sunspots"), 62
    forecaster = Forecaster.from_pretrained("forecast-sunspots")
    forecaster.reset()
    ours = np.array([forecaster.step(count).value for count in counts[:-1]])
    errors = {"forecast-sunspots": ours - counts[1:], "last value": counts[:-1] - counts[1:]}
    print(f"\nsunspots a year ahead, the last {judged} years:")
    for name, error in errors.items():
        print(f"  {name:<18} RMSE {np.sqrt(np.mean(error[-judged:] ** 2)):5.1f}")


def draw(out: Path, losses: list[float], accuracy: float) -> Path:
    """The training curve, with the loss of guessing as its baseline."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    axes.plot(losses, color="#1f5fa8", linewidth=1)
    axes.axhline(math.log(VOCABULARY), color="#999999", linestyle="--", label="guessing")
    axes.set(xlabel="step", ylabel="loss (nats a letter)", ylim=(0, None))
    axes.set_title(f"Two Mamba blocks learn selective copying: {accuracy:.1%} of letters right")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "copying.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path
