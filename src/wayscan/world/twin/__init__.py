"""The drone's twin in MuJoCo: a rigid body on four rotors, an autopilot, and eyes that cast rays.

    twins = TwinDrones(1)  # flown and read as wayscan.world.drone.Drones are
    twins.surround(0, solids, floor=0.0)  # obstacles as MuJoCo's geoms
    twins.put(0, (0, 0, 1.5))
    twins.fly(commands, 0.15, winds=winds)

`airframe` is the body and its MJCF, `autopilot` turns commands into thrusts, `arena` is one MuJoCo model of
a body among solids, `drone` flies W of them.
"""

try:
    import mujoco as _needed  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        'the MuJoCo twin needs mujoco, which is not installed; run: pip install "wayscan[fly]"',
        name="mujoco",
    ) from missing
