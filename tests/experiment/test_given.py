"""What a caller of `train_agent` hands over becomes the environment that the gin files describe."""

import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.catch import Catch
from dreamer_tf.environments.interface import complete
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.experiment.given import as_environment, only
from tests.helpers import ScriptedEnvironment

spaces = gymnasium.spaces
ID = "CartPole-v1"


class Nothing(gymnasium.Env):
    """Without spaces."""


def read(*bindings):
    gin_files.parse(["gym.gin"], bindings)


def test_wrappers_and_pixels_of_the_gin_file_act_on_it():
    """They were recorded as the configuration of the run, and did nothing."""
    read(
        "create_gym_environment.pixels = True",
        "create_gym_environment.image_size = 16",
        "create_gym_environment.wrappers = [@TransformReward(), @TimeLimit()]",
        "TransformReward.scale = 100.0",
        "TimeLimit.max_episode_steps = 2",
    )
    environment = as_environment(gymnasium.make(ID, render_mode="rgb_array"))
    assert environment.reset(seed=0)["image"].shape == (16, 16, 3)
    assert environment.step(0)[1:4] == (100.0, False, False)
    assert environment.step(0)[1:4] == (100.0, False, True)


def test_arguments_of_gymnasium_make_are_refused():
    read("create_gym_environment.continuous = True")
    with pytest.raises(UserError, match=r"create_gym_environment\.continuous is for gymnasium\.m"):
        as_environment(gymnasium.make(ID))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (object(), r"must be a gymnasium\.Env"),
        (ID, r"create_gym_environment\.id = 'CartPole-v1'"),
        (Catch, r"call it, as in Catch\(\)"),
        (Nothing, r"call it, as in Nothing\(\)"),
        (lambda: Catch(), "a class or a function: call it"),
        (Nothing(), "a Nothing, has no observation_space: set it in its __init__"),
    ],
)
def test_what_is_no_environment_is_named(given, words):
    read()
    with pytest.raises(UserError, match=words):
        as_environment(given)


def test_an_environment_of_this_package_needs_no_wrapper():
    read()
    environment = complete(ScriptedEnvironment())
    assert as_environment(environment) is environment and only(environment)() is environment


def test_a_gymnasium_environment_gets_its_settings():
    read("create_gym_environment.scale = {'vector': 2.0}")
    environment = as_environment(gymnasium.make(ID))
    raw = gymnasium.make(ID)
    expected, _ = raw.reset(seed=3)
    np.testing.assert_allclose(environment.reset(seed=3)["vector"], expected / 2.0)
