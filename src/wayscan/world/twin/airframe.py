"""A quadrotor's body: masses, rotors and their MJCF.

The frame of the body is x forward, y left, z up. Rotors stand at the corners of a square; a rotor's thrust
follows what its motor is told with a lag and turns the body against its own sense of rotation.
"""

from dataclasses import dataclass, replace
from math import inf, sqrt

from wayscan.world.flight import GRAVITY


@dataclass(frozen=True, kw_only=True)
class Airframe:
    """What flies. The defaults are of a quadrotor of half a kilogram with propellers of 13 cm."""

    mass: float = 0.55  # kg
    arm: float = 0.17  # m from the middle to each rotor
    inertia: tuple[float, float, float] = (2.4e-3, 2.6e-3, 4.4e-3)  # kg m² about x, y, z
    motor_lag: float = 0.015  # s
    reaction: float = 0.02  # N m of turning for each N of thrust
    strength: float = 2.5  # all thrusts at their most, by the weight

    def __post_init__(self) -> None:
        for name in ("mass", "arm", "motor_lag", "reaction"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(
                    f"airframe: {name} is {getattr(self, name)!r}; expected a finite number above 0"
                )
        x, y, z = sorted(self.inertia)
        if not (x > 0 and z <= x + y):
            raise ValueError(
                f"airframe: inertia is {self.inertia}; expected three numbers above 0, none above the sum of "
                f"the others"
            )
        if not 1 < self.strength < inf:
            raise ValueError(f"airframe: strength is {self.strength!r}; expected more than the weight, 1")

    @property
    def weight(self) -> float:
        """N."""
        return self.mass * GRAVITY

    @property
    def most(self) -> float:
        """N that one rotor can give."""
        return self.strength * self.weight / 4

    @property
    def rotors(self) -> tuple[tuple[float, float, float], ...]:
        """(4, 3): forward and left of the middle (m), and the body's turning by its thrust (N m / N)."""
        side = self.arm / sqrt(2)
        return tuple((x * side, y * side, x * y * self.reaction) for x in (1, -1) for y in (1, -1))

    def within(self, radius: float) -> "Airframe":
        """This airframe, its arms shortened where a hull of this radius would not hold them."""
        return replace(self, arm=min(self.arm, 0.7 * radius))

    def mjcf(self, radius: float) -> tuple[str, str]:
        """The body, a free hull of `radius`, and the actuators: its four motors."""
        inertia = " ".join(map(repr, self.inertia))
        sites, motors = [], []
        for number, (x, y, turning) in enumerate(self.rotors):
            sites.append(f'<site name="rotor{number}" pos="{x!r} {y!r} 0"/>')
            motors.append(
                f'<general site="rotor{number}" gear="0 0 1 0 0 {turning!r}" ctrlrange="0 {self.most!r}" '
                f'dyntype="filterexact" dynprm="{self.motor_lag!r}"/>'
            )
        body = (
            f'<body name="drone"><freejoint/><inertial pos="0 0 0" mass="{self.mass!r}" '
            f'diaginertia="{inertia}"/><geom name="hull" type="sphere" size="{radius!r}" contype="1"/>'
            f"{''.join(sites)}</body>"
        )
        return body, "".join(motors)
