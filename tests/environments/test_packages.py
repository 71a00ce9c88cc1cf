"""Packages that nobody here wrote: each makes an environment that acts."""

import numpy as np
import pytest

from dreamer_tf.environments.crafter import Crafter
from dreamer_tf.environments.factored import random_actions
from dreamer_tf.environments.gym import create_gym_environment

MINIGRID = {"planes": {"image": (11, 6, 3)}}
ENVIRONMENTS = [
    ("minigrid", "minigrid:MiniGrid-Empty-5x5-v0", MINIGRID, {"direction", "image"}),
    ("minigrid", "minigrid:BabyAI-GoToRedBallGrey-v0", MINIGRID, {"direction", "image"}),
    ("minatar", "minatar:MinAtar/Seaquest-v1", {}, {"image"}),
    ("crafter", None, {"factory": Crafter}, {"image"}),
    ("Box2D", "LunarLander-v3", {}, {"vector"}),
    ("Box2D", "CarRacing-v3", {}, {"image"}),
    ("gymnasium", "Taxi-v4", {"action_mask": "info"}, {"vector", "action_mask"}),
    ("gymnasium", "Blackjack-v1", {}, {"part0", "part1", "part2"}),
    ("highway_env", "highway_env:highway-v0", {}, {"vector"}),
    ("vizdoom", "vizdoom:VizdoomBasic-v1", {}, {"screen", "gamevariables"}),
    (
        "gymnasium_robotics",
        "gymnasium_robotics:PointMaze_UMaze-v3",
        {},
        {"observation", "achieved_goal", "desired_goal"},
    ),
]


each = pytest.mark.parametrize(
    ("package", "id", "settings", "names"), ENVIRONMENTS, ids=lambda value: str(value)
)


def make(package, id, settings):
    pytest.importorskip(package)
    return create_gym_environment(id, **settings)


def played(environment, seed, steps=300):
    """What some steps after a reset with a seed bring; every observation is of the space."""
    observation, rng, found = environment.reset(seed=seed), np.random.default_rng(seed), []
    for _ in range(steps):
        assert environment.observation_space.contains(observation)
        mask = observation.get("action_mask")
        mask = None if mask is None else mask[None]
        action = random_actions(environment.action_space, rng, 1, mask)[0]
        observation, reward, terminated, truncated, _ = environment.step(action)
        found.append((observation, reward, terminated, truncated))
        if terminated or truncated:
            observation = environment.reset()
            found.append(observation)
    return found


@pytest.mark.slow
@each
def test_a_seed_fixes_what_follows_whatever_was_before(package, id, settings, names):
    """Else an evaluation depends on the training before it, and a resumed run is another one."""
    used, fresh = (make(package, id, settings) for _ in range(2))
    for seed in (1, 2):
        played(used, seed)
    np.testing.assert_equal(played(used, 3), played(fresh, 3))
    used.close()
    fresh.close()


@pytest.mark.slow
@each
def test_an_environment_of_a_package_acts(package, id, settings, names):
    environment = make(package, id, settings)
    assert set(environment.observation_space.spaces) == names
    played(environment, 0, 20)
    environment.close()
