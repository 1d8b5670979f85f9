"""Refusing cameras that see nothing sensible: inside a solid or under the ground."""

import numpy as np

from wayscan.world.cameras import Camera
from wayscan.world.kernels import compiled
from wayscan.world.render.tables import as_numbers
from wayscan.world.scene import Scene, Shape


def check_view(scene: Scene, camera: Camera) -> None:
    """Refuse a camera inside a solid of the scene or not above the ground."""
    x, y, z = camera.position
    if z <= 0:
        raise ValueError(
            f"camera {camera.name!r} stands at {camera.position}; expected above the ground (z > 0); raise it"
        )
    solids = as_numbers(np.ascontiguousarray(scene.solids))
    k = compiled("render.holding").first_holding(solids, float(x), float(y), float(z))
    if k >= 0:
        solid = scene.solids[k]
        instance, kind = int(solid["instance"]), Shape(int(solid["shape"])).name.lower()
        name = f" ({scene.names[instance]})" if 0 <= instance < len(scene.names) else ""
        raise ValueError(
            f"camera {camera.name!r} at {camera.position} is inside solid {k}, a {kind} of instance "
            f"{instance}{name}; expected a place in the open; move the camera or the solid"
        )
