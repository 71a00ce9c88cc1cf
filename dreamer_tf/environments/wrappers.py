"""Wrappers of Gymnasium by name, so that a gin file can put them around an environment.

    create_gym_environment.wrappers = [@TimeLimit(), @my_module.MyWrapper]
    TimeLimit.max_episode_steps = 200

A name with parentheses is called with its parameters and gives a function that wraps; one without
is such a function. Wrappers with a state of their own, such as running means, are not here: no
checkpoint would hold it, so a run could not resume exactly.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.errors import UserError, told
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Fraction, PositiveInt, Size

Wrapper = Callable[[gymnasium.Env], gymnasium.Env]
library = gymnasium.wrappers


@configurable
def TimeLimit(max_episode_steps: PositiveInt = 1000) -> Wrapper:
    """Truncates episodes.

    Args:
      max_episode_steps: agent steps.
    """
    return lambda environment: library.TimeLimit(environment, max_episode_steps)


@configurable
def TransformReward(
    func: Callable[[float], float] | None = None, scale: float = 1.0, offset: float = 0.0
) -> Wrapper:
    """Changes rewards: `scale * func(reward) + offset`.

    Args:
      func: a function of yours; by default the reward itself.
      scale: factor.
      offset: added last.
    """

    def change(reward: Any) -> float:
        return scale * float(reward if func is None else func(reward)) + offset

    return lambda environment: library.TransformReward(environment, change)


@configurable
def ClipReward(min_reward: float = -1.0, max_reward: float = 1.0) -> Wrapper:
    """Clips rewards.

    Args:
      min_reward: smallest.
      max_reward: largest.
    """
    return lambda environment: library.ClipReward(environment, min_reward, max_reward)


@configurable
def StickyAction(repeat_action_probability: Fraction = 0.25) -> Wrapper:
    """Repeats the last action now and then.

    Args:
      repeat_action_probability: how often.
    """
    return lambda environment: library.StickyAction(environment, repeat_action_probability)


@configurable
def MaxAndSkipObservation(skip: PositiveInt = 4) -> Wrapper:
    """Repeats every action and takes the maximum of the last two observations.

    Args:
      skip: environment steps of one agent step. Each counts as a frame.
    """
    return lambda environment: MaxAndSkip(environment, skip)


@configurable
def FilterObservation(filter_keys: tuple[str, ...] = ()) -> Wrapper:
    """Keeps some observations of a Dict.

    Args:
      filter_keys: their names.
    """
    return lambda environment: library.FilterObservation(environment, filter_keys)


@configurable
def FlattenObservation() -> Wrapper:
    """Makes one vector of all observations."""
    return library.FlattenObservation


@configurable
def GrayscaleObservation() -> Wrapper:
    """Makes one channel of three."""
    return lambda environment: library.GrayscaleObservation(environment, keep_dim=True)


@configurable
def ResizeObservation(shape: tuple[Size, Size] = (64, 64)) -> Wrapper:
    """Resizes an image.

    Args:
      shape: height and width, in pixels.
    """
    return lambda environment: library.ResizeObservation(environment, shape)


@configurable
def TimeAwareObservation() -> Wrapper:
    """Adds the time of the episode to the observations."""
    return lambda environment: library.TimeAwareObservation(environment, flatten=False)


WRAPPERS = (
    *(TimeLimit, TransformReward, ClipReward, StickyAction, MaxAndSkipObservation),
    *(FilterObservation, FlattenObservation, GrayscaleObservation, ResizeObservation),
    TimeAwareObservation,
)


class MaxAndSkip(gymnasium.Wrapper):
    """What Gymnasium's `MaxAndSkipObservation` is meant to do.

    That one fills its two observations in the last two steps only. Where an episode ends earlier,
    it returns those of an earlier agent step, even of the episode before.
    """

    def __init__(self, environment: gymnasium.Env, skip: int):
        super().__init__(environment)
        if not isinstance(environment.observation_space, gymnasium.spaces.Box):
            raise UserError(
                "MaxAndSkipObservation takes the maximum of arrays, but the observations are a "
                f"{type(environment.observation_space).__name__}: put a wrapper before it that "
                "makes one array of them, as FlattenObservation does."
            )
        self.skip = skip

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Repeats the action; returns the maximum of what was seen last, and the sum of rewards."""
        seen: list[Any] = []
        total, info = 0.0, dict[str, Any]()
        terminated = truncated = False
        while len(seen) < self.skip and not (terminated or truncated):
            observation, reward, terminated, truncated, info = self.env.step(action)
            seen.append(observation)
            total += float(reward)
        return np.max(seen[-2:], axis=0), total, terminated, truncated, info


def wrap(environment: gymnasium.Env, wrappers: Sequence[Wrapper]) -> gymnasium.Env:
    """Puts wrappers around an environment, the first one innermost.

    Raises:
      UserError: one does not fit the environment, or returns no environment.
    """
    for wrapper in wrappers:
        name = getattr(wrapper, "__name__", type(wrapper).__name__)
        if isinstance(wrapper, gymnasium.Env):
            raise UserError(
                f"create_gym_environment.wrappers has an environment ({name}) instead of a "
                "wrapper: write @MyWrapper without parentheses."
            )
        # What a wrapper raises is about this environment; its author knows no better place.
        try:
            wrapped = wrapper(environment)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"create_gym_environment.wrappers: {name} cannot wrap {environment} "
                f"({told(error)}): change its parameters, or leave it out."
            ) from error
        if not isinstance(wrapped, gymnasium.Env):
            raise UserError(
                f"create_gym_environment.wrappers: {name} returns a {type(wrapped).__name__}, but "
                "must return a gymnasium.Env: write @MyWrapper without parentheses."
            )
        environment = wrapped
    return environment


def with_pixels(environment: gymnasium.Env) -> gymnasium.Env:
    """The environment with what it renders as its only observation.

    Raises:
      UserError: it renders no images.
    """
    if environment.render_mode != "rgb_array":
        raise UserError(
            "create_gym_environment.pixels needs an environment that renders images, but "
            f"{environment} has render_mode={environment.render_mode!r}: create it with "
            "render_mode='rgb_array'."
        )
    return _Pixels(environment)


class _Pixels(gymnasium.ObservationWrapper):
    """Renders once to know the size, and then after every reset and step."""

    def __init__(self, environment: gymnasium.Env):
        super().__init__(environment)
        environment.reset(seed=0)
        shape = np.asarray(environment.render()).shape
        self.observation_space = gymnasium.spaces.Box(0, 255, shape, np.uint8)

    def observation(self, observation: Any) -> np.ndarray:
        return np.asarray(self.env.render(), np.uint8)
