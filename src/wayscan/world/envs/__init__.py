"""The world as gymnasium environments: importing this package registers them.

    import gymnasium, wayscan.world.envs
    env = gymnasium.make("wayscan/Follow-v0", split="distracted")

`wayscan/Forest-v0`: a drone flies through a forest by depth images; `wayscan/ForestMujoco-v0` is the same
with MuJoCo's physics and rays, `AirSimEnv-v42` under the name and the interface that AirSim's users know.
`wayscan/Follow-v0`: a robot follows a person who is described in words.
"""

try:
    from gymnasium.envs.registration import register, registry
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        'wayscan.world.envs needs gymnasium, which is not installed; run: pip install "wayscan[fly]"',
        name="gymnasium",
    ) from missing

_HERE = "wayscan.world.envs"
_ENTRIES = {  # one environment, and many at once where there is such a thing
    "wayscan/Follow-v0": (f"{_HERE}.follow:Follow", None),
    "wayscan/Forest-v0": (f"{_HERE}.forest:Forest", f"{_HERE}.forest:ForestVector"),
    "wayscan/ForestMujoco-v0": (
        f"{_HERE}.forest_mujoco:ForestMujoco",
        f"{_HERE}.forest_mujoco:ForestMujocoVector",
    ),
    "AirSimEnv-v42": (f"{_HERE}.airsim:AirSim", None),
}
ENVIRONMENTS = tuple(_ENTRIES)

for _name, (_one, _many) in _ENTRIES.items():
    if _name not in registry:
        register(id=_name, entry_point=_one, vector_entry_point=_many)
