"""Pictures of flights for people: the drone from behind, and a forest from above."""

from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayscan.world.cameras import Camera
from wayscan.world.forests import Forest
from wayscan.world.render.picture import render
from wayscan.world.scene import Look, Scene, Solids, capsule, solids, sphere

if TYPE_CHECKING:
    from wayscan.world.envs.forest_worlds import ForestWorlds

HULL, ROTOR, GOAL = Look((0.90, 0.88, 0.84)), Look((0.85, 0.15, 0.12)), Look((0.98, 0.80, 0.10))
BEHIND, ABOVE = 1.6, 0.7  # m from the drone to the camera that follows it


def behind(worlds: "ForestWorlds", index: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """(height, width, 3): world `index` as seen from behind and above its drone."""
    scene = scene_of(worlds, index)
    (x, y, z), yaw = worlds.drones.position[index].tolist(), float(worlds.drones.yaw[index])
    camera = Camera(
        width=width,
        height=height,
        position=(x - BEHIND * cos(yaw), y - BEHIND * sin(yaw), z + ABOVE),
        yaw=yaw,
        pitch=-0.22,
        field=1.3,
    )
    return render(scene, camera).image


def scene_of(worlds: "ForestWorlds", index: int) -> Scene:
    """The forest of world `index` with its movers where they are, its drone and its goal."""
    forest = worlds.forests[index]
    if forest is None:
        raise RuntimeError("no episode has begun; call reset first")
    number = len(forest.solids)
    table = worlds.solids[index, :number]
    pose = (worlds.drones.position[index], float(worlds.drones.yaw[index]), worlds.drones.spec.radius)
    goal = sphere(forest.goal, 0.3, GOAL, instance=number + 1)
    scene = forest.scene()
    return Scene(
        solids=solids([table, drone_figure(*pose, instance=number), goal]),
        ground=scene.ground,
        light=scene.light,
        names=(*scene.names, "drone", "goal"),
    )


def drone_figure(position: NDArray[np.float64], yaw: float, radius: float, *, instance: int) -> Solids:
    """A body, two arms and four rotors."""
    parts = [sphere(position, 0.4 * radius, HULL, instance=instance)]
    for k in range(4):
        angle = yaw + pi / 4 + k * pi / 2
        tip = position + 0.8 * radius * np.array([cos(angle), sin(angle), 0])
        parts += [
            capsule(position, tip, 0.08 * radius, HULL, instance=instance),
            sphere(tip, 0.2 * radius, ROTOR if k in (0, 3) else HULL, instance=instance),
        ]
    return solids(parts)


def draw_map(axes: Any, forest: Forest, paths: dict[str, NDArray[np.float64]]) -> None:
    """Draw a forest from above on matplotlib axes, start on the left, and flown paths (T, 2 or 3)."""
    from matplotlib.patches import Circle, Polygon, Rectangle

    axes.add_patch(Rectangle((0, 0), forest.length, forest.width, fill=False, ec="#2f5d27", lw=3))
    for x, y, half_x, half_y, c, s, radius in forest.footprints.tolist():
        if radius:
            axes.add_patch(Circle((x, y), radius, fc="#6b4a2b", ec="none"))
            continue
        corners = np.array([[half_x, half_y], [-half_x, half_y], [-half_x, -half_y], [half_x, -half_y]])
        axes.add_patch(Polygon(corners @ [[c, s], [-s, c]] + [x, y], fc="#b08a55", ec="none"))
    for mover in forest.movers:
        ends = forest.inside(np.stack([mover["start"], mover["end"]])[:, :2])
        axes.plot(*ends.T, color="#e0701a", lw=4, alpha=0.5, solid_capstyle="round")
    for name, path in paths.items():
        axes.plot(*forest.inside(path[:, :2]).T, lw=1.6, label=name)
    start, goal = forest.inside(np.stack([forest.start, forest.goal])[:, :2])
    axes.plot(*start, marker="o", color="black", ms=6)
    axes.plot(*goal, marker="*", color="#c79a00", ms=14)
    axes.set(
        xlim=(-1, forest.length + 1), ylim=(-1, forest.width + 1), aspect="equal", xlabel="m", ylabel="m"
    )
