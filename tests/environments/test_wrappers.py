"""Wrappers of Gymnasium and of the user, named in gin."""

import gin
import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.gym import create_gym_environment
from dreamer_tf.environments.wrappers import WRAPPERS
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import allowed
from tests.helpers import bind


@gin.configurable(module="test_wrappers")
class Doubled(gymnasium.RewardWrapper):
    def reward(self, reward):
        return 2.0 * reward


@gin.configurable(module="test_wrappers")
def plus_one(reward):
    return reward + 1.0


def make(*bindings):
    bind("create_gym_environment.id='CartPole-v1'", *bindings)
    environment = create_gym_environment()
    environment.reset(seed=0)
    return environment


def test_wrappers_are_put_around_in_their_order():
    environment = make(
        "create_gym_environment.wrappers=[@TransformReward(), @Doubled, @TimeLimit()]",
        "TransformReward.func=@plus_one",
        "TransformReward.scale=10.0",
        "TimeLimit.max_episode_steps=3",
    )
    assert environment.step(0)[1] == 2.0 * 10.0 * (1.0 + 1.0)
    assert environment.name == "CartPole-v1"
    assert not environment.step(1)[3] and environment.step(0)[3]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_every_wrapper_wraps(wrapper):
    class Camera(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), 3.0, False, False, {}

    environment = gymnasium.wrappers.TimeLimit(Camera(), 100)  # TimeAwareObservation asks for it
    make = wrapper(("image",)) if wrapper.__name__ == "FilterObservation" else wrapper()
    if wrapper.__name__ == "FilterObservation":
        environment = gymnasium.wrappers.TransformObservation(
            environment,
            lambda image: {"image": image, "other": image},
            gymnasium.spaces.Dict(dict.fromkeys(("image", "other"), Camera.observation_space)),
        )
    wrapped = make(environment)
    observation, _ = wrapped.reset(seed=0)
    assert wrapped.observation_space.contains(observation)
    assert wrapped.observation_space.contains(wrapped.step(0)[0])


def test_a_run_may_name_every_wrapper_and_no_other():
    names = {wrapper.__name__ for wrapper in WRAPPERS}
    assert set(allowed.REFERENCES["create_gym_environment.wrappers"]) == names


@pytest.mark.parametrize(
    ("bindings", "words"),
    [
        (
            ["create_gym_environment.wrappers=[3]"],
            "wrappers is .*3.*, but must be a tuple in which",
        ),
        (["create_gym_environment.wrappers=[@plus_one]"], "plus_one cannot wrap"),
        (
            ["create_gym_environment.wrappers=[@FilterObservation()]"],
            "cannot wrap .*change its parameters",
        ),
    ],
)
def test_what_does_not_wrap_is_an_error(bindings, words):
    with pytest.raises(UserError, match=words):
        make(*bindings)
