"""Packages of environments that need not be installed, with the spaces that the real ones have.

The gin files of these packages are tested without them. `test_packages.py` tries the real ones.
"""

import sys
import types

import gymnasium
import numpy as np

from dreamer_tf.environments.crafter import ACHIEVEMENTS

spaces = gymnasium.spaces


class Mission(gymnasium.Space):
    """MiniGrid's space of texts, which is no `gymnasium.spaces.Text`."""

    def __init__(self):
        super().__init__(dtype=str)

    def sample(self, mask=None, probability=None):
        return "get to the green goal square"


class Stage(gymnasium.Env):
    """Random observations of given spaces."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, observation, actions, render_mode=None):
        self.observation_space, self.action_space = observation, spaces.Discrete(actions)
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}

    def render(self):
        return np.zeros((16, 16, 3), np.uint8)


def minigrid(render_mode=None):
    parts = {
        "direction": spaces.Discrete(4),
        "image": spaces.Box(0, 255, (7, 7, 3), np.uint8),
        "mission": Mission(),
    }
    return Stage(spaces.Dict(parts), 7, render_mode)


def minatar(render_mode=None):
    return Stage(spaces.Box(0.0, 1.0, (10, 10, 4), bool), 3, render_mode)


class CrafterEnv:
    """What crafter.Env does, in a few lines."""

    def __init__(self, seed, size, length, reward):
        self.settings = {"seed": seed, "size": size, "length": length, "reward": reward}
        self.steps = 0
        self.action_space = types.SimpleNamespace(n=17)

    def reset(self):
        self.steps = 0
        return np.full((*self.settings["size"], 3), self.settings["seed"] % 255, np.uint8)

    def step(self, action):
        self.steps += 1
        died = action == 16
        ended = died or self.steps >= self.settings["length"]
        counts = dict.fromkeys(ACHIEVEMENTS, 0) | {"collect_wood": self.steps // 2}
        info = {"discount": 1.0 - died, "achievements": counts}
        return np.zeros((*self.settings["size"], 3), np.uint8), 1, ended, info

    def render(self):
        return np.zeros((*self.settings["size"], 3), np.uint8)


IDS = {"MiniGrid-Empty-5x5-v0": minigrid, "MinAtar/Breakout-v1": minatar}


def pretend(monkeypatch):
    """Puts the modules where an import finds them, and registers their environments."""
    monkeypatch.setitem(sys.modules, "minigrid", types.ModuleType("minigrid"))
    monkeypatch.setitem(sys.modules, "minatar", types.ModuleType("minatar"))
    monkeypatch.setitem(sys.modules, "minatar.gym", types.ModuleType("minatar.gym"))
    crafter = types.ModuleType("crafter")
    crafter.Env = CrafterEnv
    monkeypatch.setitem(sys.modules, "crafter", crafter)
    for name, make in IDS.items():
        spec = gymnasium.envs.registration.EnvSpec(name, entry_point=make)
        monkeypatch.setitem(gymnasium.registry, name, spec)
