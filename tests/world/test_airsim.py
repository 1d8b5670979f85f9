"""AirSim's client and environment against a stand-in: the protocol, the frames, errors that help."""

import importlib.util
import socket
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import wayscan.world.envs  # noqa: F401 (registers)
from wayscan.world.envs.airsim import AirSim
from wayscan.world.envs.airsim_client import AirSimClient
from wayscan.world.envs.forest import Forest
from wayscan.world.envs.forest_worlds import configure
from wayscan.world.envs.pilots import make_pilot

pytest.importorskip("msgpack", reason="the extra airsim")

_SPEC = importlib.util.spec_from_file_location(
    "airsim_stand_in", Path(__file__).with_name("airsim_stand_in.py")
)
assert _SPEC
assert _SPEC.loader
stand_in = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(stand_in)

CONFIG = configure(image=16, heading=0.0, wind=0.0, gusts=0.0, heights=(1.5, 1.5))


@contextmanager
def served(seed=0, config=CONFIG, **about):
    server = stand_in.StandIn(config, seed, **about)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def environment(server, **options):
    env = AirSim(
        f"airsim://127.0.0.1:{server.port}", config=CONFIG, goals=(server.goal(),), retries=0, **options
    )
    try:
        yield env
    finally:
        env.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_it_flies_as_the_forest_does(seed):
    rng = np.random.default_rng(seed)
    with served(seed) as server, environment(server) as env:
        forest = Forest(CONFIG)
        assert env.observation_space == forest.observation_space
        assert env.action_space == forest.action_space
        expected, about = forest.reset(seed=seed)
        seen, info = env.reset()
        assert info.keys() == about.keys()
        for _ in range(12):
            assert env.observation_space.contains(seen)
            assert np.abs(seen["depth"].astype(int) - expected["depth"]).max() <= 1
            same = [0, 1, 2, 3, 4, 5, 6, 8, 9]  # all but the yaw: AirSim's north is where the start looks
            np.testing.assert_allclose(seen["base"][:, same], expected["base"][:, same], atol=2e-3)
            action = rng.uniform([0.2, -1, -1], [1, 1, 1]).astype(np.float32)
            expected, wanted, done, _, about = forest.step(action)
            seen, reward, over, _, info = env.step(action)
            assert over == done
            assert reward == pytest.approx(wanted, abs=0.35)  # clearance is only estimated
            assert info["path_length"] == pytest.approx(about["path_length"], abs=0.02)
            if over:
                break


def test_a_crash_ends_the_episode_and_the_flags_memory_does_not():
    with served(3) as server, environment(server) as env:
        env.reset()
        over = False
        _, _, over, _, info = env.step([0, 0, 0])
        assert not over  # though the flag was up before the reset
        while not over:
            _, reward, over, _, info = env.step([0, 0, -1])
        assert info["collision"]
        assert reward < -15
        env.reset()
        assert not env.step([0, 0, 0])[2]
        assert server.calls.count("reset") == 2


def test_the_goal_ends_the_episode():
    config = configure(CONFIG, density=0.0, distance=(4.0, 5.0))
    with served(0, config) as server, environment(server, steps=40) as env:
        observation, _ = env.reset()
        over = late = False
        while not (over or late):
            batch = {name: array[None] for name, array in observation.items()}
            action = make_pilot("straight")(batch, server.worlds)[0]
            observation, reward, over, late, info = env.step(action)
        assert info["success"]
        assert reward > 15


def test_gymnasium_knows_it_by_the_seeds_name():
    with served() as server:
        env = gymnasium.make(
            "AirSimEnv-v42", address=f"airsim://127.0.0.1:{server.port}", image=16, retries=0
        )
        observation, _ = env.reset(seed=0)
        assert observation["depth"].shape == (4, 1, 16, 16)
        env.close()


def test_nobody_there_is_one_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"airsim://127.0.0.1:{port} does not answer after 3 tries"):
        AirSimClient(port=port, retries=2, pause=0.01)


def test_empty_images_are_asked_for_again_but_not_for_ever():
    with served(empty_images=2) as server:
        client = AirSimClient(port=server.port, retries=2, pause=0.0)
        assert client.depth("0").shape == (16, 16)
        server.empty = 9
        with pytest.raises(ConnectionError, match="sends empty images of camera '0', 3 times"):
            client.depth("0")
        client.close()


def test_refusals_and_lost_connections_say_so():
    with served() as server:
        client = AirSimClient(port=server.port)
        with pytest.raises(RuntimeError, match="AirSim refuses simFly: method simFly not found"):
            client.call("simFly")
        client.close()
    with socket.create_server(("127.0.0.1", 0)) as door:
        client = AirSimClient(port=door.getsockname()[1])
        door.accept()[0].close()
        with pytest.raises(ConnectionError, match="was lost in ping"):
            client.call("ping")
        client.close()


@pytest.mark.parametrize("address", ["127.0.0.1:41451", "http://localhost:1", "airsim://"])
def test_addresses_are_checked(address):
    with pytest.raises(ValueError, match="expected airsim://host:port"):
        AirSim(address)


def test_broken_actions_are_refused():
    with served() as server, environment(server) as env:
        env.reset()
        with pytest.raises(ValueError, match="not finite"):
            env.step([np.nan, 0, 0])
