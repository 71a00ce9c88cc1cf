"""Gymnasium environments: spaces, sentences, training by id and from Python."""

import json
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import dreamer_tf
from dreamer_tf.environments.catch import Catch
from dreamer_tf.environments.gym import GymEnvironment, create_gym_environment
from dreamer_tf.environments.interface import Environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from tests.helpers import TINY

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
EXAMPLE = Path(__file__).resolve().parents[2] / "examples/custom_environment.py"


class Spaces(gymnasium.Env):
    """Any spaces; terminates after five steps and remembers the actions."""

    def __init__(self, observation, action):
        self.observation_space, self.action_space = observation, action
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.actions.clear()
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.actions.append(action)
        return self.observation_space.sample(), 1, len(self.actions) >= 5, False, {}


VECTOR = Box(-1, 1, (3,), np.float64)


@pytest.mark.parametrize(
    "space,expected",
    [
        (VECTOR, {"vector": (3,)}),
        (Box(-1, 1, ()), {"vector": (1,)}),
        (Box(0, 255, (5,), np.uint8), {"vector": (5,)}),
        (Box(0, 255, (64, 64, 3), np.uint8), {"image": (64, 64, 3)}),
        (Box(0, 255, (96, 80, 1), np.uint8), {"image": (64, 64, 1)}),
        (Box(0, 255, (30, 40), np.uint8), {"image": (64, 64, 1)}),
        (
            gymnasium.spaces.Dict({"camera": Box(0, 255, (32, 32, 3), np.uint8), "arm": VECTOR}),
            {"camera": (64, 64, 3), "arm": (3,)},
        ),
    ],
)
def test_observations(space, expected):
    environment = GymEnvironment(Spaces(space, Discrete(2)))
    assert isinstance(environment, Environment)
    assert {key: box.shape for key, box in environment.observation_space.spaces.items()} == expected
    assert environment.observation_space.contains(environment.reset(0))
    observation, reward, terminated, truncated, _ = environment.step(0)
    assert environment.observation_space.contains(observation)
    assert (reward, terminated, truncated) == (1.0, False, False)


def test_resizing_is_stated():
    space = Box(0, 255, (96, 80, 3), np.uint8)
    environment = GymEnvironment(Spaces(space, Discrete(2)))
    assert environment.notes == ["the observation of 96x80 is resized to 64x64"]


def test_resizing_keeps_the_picture_upright():
    space = Box(0, 255, (100, 50, 1), np.uint8)
    wrapped = Spaces(space, Discrete(2))
    picture = np.zeros((100, 50, 1), np.uint8)
    picture[:50] = 255
    wrapped.reset = lambda seed=None: (picture, {})
    image = GymEnvironment(wrapped).reset()["image"]
    assert image[:30].min() == 255 and image[34:].max() == 0


def test_actions():
    continuous = Spaces(VECTOR, Box(np.array([-2, 0], np.float32), np.array([2, 10], np.float32)))
    environment = GymEnvironment(continuous)
    environment.reset()
    for action in ([-1, -1], [0, 0], [1, 1], [3, 3]):
        environment.step(np.array(action, np.float32))
    np.testing.assert_allclose(continuous.actions, [[-2, 0], [0, 5], [2, 10], [2, 10]])
    discrete = Spaces(VECTOR, Discrete(3, start=-1))
    environment = GymEnvironment(discrete)
    environment.reset()
    for action in range(3):
        environment.step(action)
    assert discrete.actions == [-1, 0, 1]


@pytest.mark.parametrize(
    "observation,action,words",
    [
        (Discrete(5), Discrete(2), "FlattenObservation"),
        (gymnasium.spaces.Tuple([VECTOR]), Discrete(2), "FlattenObservation"),
        (Box(-1, 1, (4, 4)), Discrete(2), "FlattenObservation"),
        (Box(0, 255, (64, 64, 4), np.uint8), Discrete(2), "TransformObservation"),
        (gymnasium.spaces.Dict({"reward": VECTOR}), Discrete(2), "rename it"),
        (VECTOR, gymnasium.spaces.MultiDiscrete([2, 3]), "ActionWrapper"),
        (VECTOR, Box(-np.inf, np.inf, (1,)), "RescaleAction"),
    ],
)
def test_unsupported_spaces_name_the_wrapper(observation, action, words):
    with pytest.raises(UserError, match=words):
        GymEnvironment(Spaces(observation, action))


def test_unknown_id():
    with pytest.raises(UserError, match="'CartPole-v1'"):
        create_gym_environment("CartPol-v1")
    with pytest.raises(UserError, match="either an id or a factory"):
        create_gym_environment()


@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1"])
def test_trains_any_id(tmp_path, id):
    gin_files.parse(["gym.gin"], [*TINY, f"create_gym_environment.id='{id}'"])
    runner = launch.make_runner(str(tmp_path), 0)
    assert f"environment     {id}" in launch.describe(runner)
    behavior = runner.agent.learner.actor_critic
    assert behavior._uses_reinforce == (id == "CartPole-v1")
    assert behavior._uses_dynamics == (id == "Pendulum-v1")
    runner.run_experiment()
    assert runner.agent.updates >= 3
    assert all(np.isfinite(value) for value in runner.agent.metrics.values())


def test_example_trains_resumes_and_loads(tmp_path):
    small = [f"--gin_bindings={binding}" for binding in TINY]
    command = [sys.executable, str(EXAMPLE), "--base_dir=run", "--training_steps=40", *small]
    for _ in range(2):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
    assert "is resized to 64x64" in result.stdout
    assert "resumed         at" in result.stdout and "mean return of 20 episodes" in result.stdout
    assert json.loads((tmp_path / "run/scores.json").read_text())[0]["Game"] == "Corridor"
    with pytest.raises(UserError, match="environment=environment"):
        dreamer_tf.load_policy(tmp_path / "run")


def test_catch():
    """The paddle that follows the ball always catches it, a random one rarely."""
    environment = Catch()
    check_env(environment, skip_render_check=True)
    returns = {"follow": [], "random": []}
    for name, found in returns.items():
        for episode in range(200):
            image, _ = environment.reset(seed=3 if episode == 0 else None)
            ended, steps = False, 0
            while not ended:
                rows, columns = np.nonzero(image[::8, ::8, 0] == 255)
                paddle = np.nonzero(image[-1, ::8, 0] == 128)[0]
                target = np.sign(columns[0] - paddle[0]) + 1 if len(paddle) else 1
                assert rows[0] == steps
                action = target if name == "follow" else environment.np_random.integers(3)
                image, reward, ended, _, _ = environment.step(int(action))
                steps += 1
            assert steps == 7
            found.append(reward)
    assert min(returns["follow"]) == 1.0 and -0.9 < np.mean(returns["random"]) < -0.5
