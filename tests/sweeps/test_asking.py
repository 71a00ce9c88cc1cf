"""A sweep asks an environment of the user for its name."""

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.sweeps.asking import environment_name

MODULE = """
import gin, gymnasium

@gin.configurable
class Maze(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, broken=False):
        print("a maze")
        if broken:
            raise ValueError("no walls")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}
"""


@pytest.fixture
def maze(tmp_path, monkeypatch):
    (tmp_path / "maze_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return "create_gym_environment.factory = @Maze"


def test_the_environment_says_its_name(maze):
    assert environment_name(["gym.gin"], [maze], ["maze_module"]) == "Maze"


def test_what_fails_is_a_sentence(maze):
    with pytest.raises(UserError, match=r"gym\.gin cannot be made here.*no walls"):
        environment_name(["gym.gin"], [maze, "Maze.broken = True"], ["maze_module"])
    with pytest.raises(UserError, match="Maze"):
        environment_name(["gym.gin"], [maze])
