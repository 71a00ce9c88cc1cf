"""Wrappers of Gymnasium and of the user, named in gin."""

import gin
import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.gym import create_gym_environment
from dreamer_tf.environments.interface import protocol_label
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


@gin.configurable(module="test_wrappers")
def Dictionary():
    space = gymnasium.spaces.Dict({"a": Counting.observation_space})
    return gymnasium.wrappers.TransformObservation(Counting(), lambda a: {"a": a}, space)


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


@gin.configurable(module="test_wrappers")
class Counting(gymnasium.Env):
    """Shows one more each step, and ends after five."""

    observation_space = gymnasium.spaces.Box(0.0, 99.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        ended = self.steps == 5
        shown = 0.0 if ended else 10.0 * self.steps
        return np.full(1, shown, np.float32), 1.0, ended, False, {"steps": self.steps}


def test_a_skipped_step_shows_nothing_of_an_earlier_one():
    """Gymnasium's own wrapper returns what an earlier agent step has left in its buffer."""
    bind(
        "create_gym_environment.factory=@Counting",
        "create_gym_environment.wrappers=[@MaxAndSkipObservation()]",
        "MaxAndSkipObservation.skip=4",
    )
    environment = create_gym_environment()
    assert environment.frames_per_step == 4 and environment.protocol == "gymnasium"
    for _ in range(2):
        environment.reset(seed=0)
        observation, reward, terminated, _, info = environment.step(0)
        assert (observation["vector"][0], reward, terminated) == (40.0, 4.0, False)
        observation, reward, terminated, _, info = environment.step(0)
        assert (observation["vector"][0], reward, terminated) == (0.0, 1.0, True)
        assert info["steps"] == 5


def test_observations_without_a_maximum_are_refused():
    bind("create_gym_environment.factory=@Dictionary")
    bind("create_gym_environment.wrappers=[@MaxAndSkipObservation()]")
    with pytest.raises(UserError, match="the observations are a Dict: put a wrapper before it"):
        create_gym_environment()


@pytest.mark.parametrize(
    ("wrappers", "protocol", "limit"),
    [
        ("[]", "gymnasium", 500),
        ("[@TransformReward(), @Doubled]", "gymnasium, Doubled, TransformReward", 500),
        ("[@StickyAction()]", "gymnasium, StickyAction", 500),
        ("[@TimeLimit()]", "gymnasium, max_episode_steps=7", 7),
        ("[@TimeLimit(), @MaxAndSkipObservation()]", "gymnasium, max_episode_steps=7", 2),
    ],
)
def test_what_changes_returns_is_another_protocol(wrappers, protocol, limit):
    environment = make(
        f"create_gym_environment.wrappers={wrappers}", "TimeLimit.max_episode_steps=7"
    )
    assert environment.protocol == protocol and environment.max_steps == limit
    assert protocol_label(environment, limit) == protocol
    assert protocol_label(environment, 1) == f"{protocol}, max_steps_per_episode=1"


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
