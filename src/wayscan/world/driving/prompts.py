"""Words: a caption of the scene, where the ego is and how fast, and what it is to do. They never tell who
will make it brake: that is for the cameras.
"""

import numpy as np

from wayscan.world.driving.settings import Setting
from wayscan.world.roads import Turn

_PLACES = {
    "crossroads": ("A crossroads", "An intersection of two roads", "A four-way junction"),
    "T-junction, from the stem": ("The end of a road at a T-junction", "A T-junction"),
    "T-junction, from the bar": ("A T-junction", "A junction where a side road joins"),
    "straight road": ("A straight road with a zebra crossing", "A road with a crossing for walkers"),
}
_WEATHER = {"clear": "in clear weather", "overcast": "under an overcast sky", "hazy": "in haze"}
_COMMANDS: dict[Turn, tuple[str, ...]] = {
    "straight": ("go straight on", "keep straight ahead", "follow the road straight on"),
    "left": ("turn left at the junction", "take the road to the left", "turn left"),
    "right": ("turn right at the junction", "take the road to the right", "turn right"),
}
_TASKS = (
    "Predict the ego vehicle's next 45 waypoints, one every 0.1 s.",
    "Plan the ego vehicle's path for the next 4.5 s at 10 Hz.",
    "Give the trajectory of the ego vehicle for the coming 4.5 seconds.",
)


def draw_prompt(
    rng: np.random.Generator, setting: Setting, pose: np.ndarray, speed: float, to_line: float
) -> str:
    """The prompt of a drive whose ego is at `pose` (3,) of the world, `to_line` metres before the stop
    line."""

    def one_of(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(len(choices)))]

    built = setting.scenery.built_up
    around = (
        "among houses" if built > 0.8 else "with some houses" if built > 0.6 else "with open ground around"
    )
    lights = ", with traffic lights" if setting.signals is not None else ""
    caption = f"{one_of(_PLACES[setting.road.kind])}{lights}, {around}, {_WEATHER[setting.weather]}."
    x, y, yaw = pose.tolist()
    where = (
        f"The ego vehicle is at ({x:.1f}, {y:.1f}) m, heading {np.degrees(yaw):.0f} degrees, at {speed:.1f} "
        f"m/s, {abs(to_line):.0f} m {'before' if to_line >= 0 else 'past'} the stop line."
    )
    where += f" The roadside camera looks from the far {setting.corner} corner."
    return f"{caption} {where} Route: {one_of(_COMMANDS[setting.turn])}. {one_of(_TASKS)}"
