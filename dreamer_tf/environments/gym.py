"""Any Gymnasium environment: observations and actions of every kind."""

import importlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from dreamer_tf.environments.actions import Actions
from dreamer_tf.environments.factored import ACTION_MASK, mask_size
from dreamer_tf.environments.interface import Environment, Observation
from dreamer_tf.environments.minatar import FreshStart, is_minatar
from dreamer_tf.environments.observations import Observations, Reading, Translated, bits
from dreamer_tf.environments.wrappers import MaxAndSkip, with_pixels, wrap
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Pixels, PositiveFloat, Size

_INFO = "info"
# Modules that register environments, by the beginning of their ids.
_PACKAGES = {
    "MiniGrid-": "minigrid",
    "BabyAI-": "minigrid",
    "MinAtar/": "minatar",
    "Vizdoom": "vizdoom",
    "highway-": "highway_env",
    "Fetch": "gymnasium_robotics",
    "HandManipulate": "gymnasium_robotics",
    "AntMaze": "gymnasium_robotics",
    "PandaReach": "panda_gym",
    "procgen": "procgen",
}

# Packages whose import alone registers nothing: module and function that do, and the beginning of
# the ids.
_REGISTRATIONS = {
    "minatar": ("minatar.gym", "register_envs", "MinAtar/"),
    "vizdoom": ("vizdoom.gymnasium_wrapper", "", "Vizdoom"),
}


class GymEnvironment(Environment):
    """Adapts a `gymnasium.Env`: `observations.py` and `actions.py` say what becomes of its spaces.

    With an action mask there is one observation more, `action_mask`: bool, True where an action
    is allowed.
    """

    def __init__(
        self,
        environment: gymnasium.Env,
        image_size: int | None = 64,
        scale: Mapping[str, float] | None = None,
        one_hot: Mapping[str, Sequence[int]] | None = None,
        planes: Mapping[str, Sequence[int]] | None = None,
        channels_first: Sequence[str] | None = None,
        action_mask: str | None = None,
        episode_info: Sequence[str] = (),
    ):
        """Checks the spaces.

        Args:
          environment: the environment to wrap.
          image_size: height and width of images for the agent, in pixels; None for their own.
          scale: largest values of observations by name, for those that are far from their usual
            range. A vector is divided by it. An image is multiplied so that it becomes 255.
          one_hot: numbers of symbols by name, for observations that are symbols: one number, or one
            for each channel of the last axis. They become one vector of zeros and ones.
          planes: as `one_hot`, but every place keeps its symbols: [H, W, C] becomes planes.
          channels_first: names of images that are [C, H, W]; None to tell by the shape.
          action_mask: 'info' for `info["action_mask"]`, or the name of an observation.
          episode_info: names of numbers in `info` that are logged at the end of an episode, beside
            those that the environment itself names in an attribute `episode_info`.

        Raises:
          UserError: it is not a `gymnasium.Env`, or a space is not supported; the message names a
            wrapper that helps.
        """
        _check_kind(environment)
        self.environment = environment
        self.name = _name(environment)
        self.protocol = _protocol(environment)
        skipped = _skipped(environment)
        self.frames_per_step = skipped * _frame_skip(environment)
        limit = environment.spec.max_episode_steps if environment.spec else None
        self.max_steps = None if limit is None else -(-limit // skipped)
        self.records = environment.render_mode == "rgb_array"
        # All wrappers accept seed=, so only the innermost environment can tell.
        if not _takes(environment.unwrapped.reset, "seed"):
            raise UserError(f"{self.name}: its reset must accept seed=, as Gymnasium's does.")
        _check_stacks(environment, self.name)
        self._actions = Actions(_clipped_space(environment), self.name)
        self.action_space = self._actions.space
        self._mask = action_mask
        own = getattr(environment.unwrapped, "episode_info", ())
        self.episode_info = tuple(dict.fromkeys((*own, *episode_info)))
        reading = Reading(image_size, scale or {}, one_hot or {}, planes or {}, channels_first)
        self._observations = Observations(self._without_mask(), self.name, reading)
        self.notes = list(self._observations.notes)
        self.observation_space = self._observations.space
        if action_mask is not None:
            size = mask_size(self.action_space)
            self.observation_space = gymnasium.spaces.Dict(
                {**self.observation_space.spaces, ACTION_MASK: bits((size,))}
            )

    def _without_mask(self) -> gymnasium.Space:
        """The observations without the one that says which actions are allowed."""
        space = self.environment.observation_space
        if self._mask is None:
            return space
        if not mask_size(self.action_space):
            raise UserError(
                f"create_gym_environment.action_mask is '{self._mask}', but {self.name} has no "
                "actions to choose from: leave it out."
            )
        if self._mask == _INFO:
            return space
        parts = dict(space.spaces) if isinstance(space, gymnasium.spaces.Dict) else {}
        if self._mask not in parts:
            raise UserError(
                f"create_gym_environment.action_mask is '{self._mask}', but {self.name} has no "
                f"such observation: use 'info' for info['action_mask'], or one of "
                f"{', '.join(parts) or 'none'}."
            )
        del parts[self._mask]
        return gymnasium.spaces.Dict(parts)

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode."""
        result = self.environment.reset(seed=seed)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise self._old_interface("reset", "(observation, info)")
        return self.translated(*result)

    def translated(self, observation: Any, info: Mapping[str, Any]) -> Observation:
        """What the wrapped environment returned, as the agent sees it.

        Raises:
          ValueError: it does not fit the space of the wrapped environment, or the mask is missing.
        """
        found = self._observations.read(observation)
        if self._mask is None:
            return found
        holder = info if self._mask == _INFO else observation
        key = ACTION_MASK if self._mask == _INFO else self._mask
        if key not in holder:
            raise ValueError("info has no action_mask, which create_gym_environment.action_mask is")
        return Translated({**found, ACTION_MASK: self._actions.mask(holder[key])})

    def wrapped_action(self, action: Any) -> Any:
        """The agent's action, as the wrapped environment takes it."""
        return self._actions.to_environment(action)

    def _old_interface(self, method: str, expected: str) -> UserError:
        return UserError(
            f"{self.name}: {method} must return {expected}, as Gymnasium says. An environment of "
            "the old Gym package can be wrapped with the package shimmy: "
            "gymnasium.make('GymV21Environment-v0', env=environment)."
        )

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Steps the wrapped environment."""
        result = self.environment.step(self.wrapped_action(action))
        if not (isinstance(result, tuple) and len(result) == 5):
            raise self._old_interface("step", "(observation, reward, terminated, truncated, info)")
        observation, reward, terminated, truncated, info = result
        reward = float(np.asarray(reward).item())  # some environments return an array
        return self.translated(observation, info), reward, bool(terminated), bool(truncated), info

    def render(self) -> np.ndarray:
        """The frame that the wrapped environment renders.

        Raises:
          UserError: it renders none.
        """
        frame = self.environment.render() if self.records else None
        if frame is None:
            raise UserError(
                f"{self.name} cannot be recorded: create it with render_mode='rgb_array'."
            )
        return np.asarray(frame)

    def close(self) -> None:
        """Closes the wrapped environment."""
        self.environment.close()


def _check_kind(environment: Any) -> None:
    if isinstance(environment, gymnasium.Env):
        for name in ("observation_space", "action_space"):
            if not isinstance(getattr(environment, name, None), spaces.Space):
                raise UserError(
                    f"The environment, a {type(environment.unwrapped).__name__}, has no {name}: "
                    "set it in its __init__, to one of gymnasium.spaces."
                )
        return
    old = any(base.__module__.split(".")[0] == "gym" for base in type(environment).__mro__)
    cure = (
        "wrap it with the package shimmy: gymnasium.make('GymV21Environment-v0', "
        "env=environment), or 'GymV26Environment-v0' if its step returns five values"
        if old
        else "derive its class from it, and let reset and step return what Gymnasium's do"
    )
    raise UserError(
        f"The environment is a {type(environment).__name__}"
        f"{' of the old Gym package' if old else ''}, but must be a gymnasium.Env: {cure}."
    )


def _check_stacks(environment: gymnasium.Env, name: str) -> None:
    for wrapper in _wrappers(environment):
        if isinstance(wrapper, gymnasium.wrappers.FrameStackObservation):
            raise UserError(
                f"{name}: FrameStackObservation stacks earlier observations, but the model "
                "remembers them itself: remove the wrapper."
            )


def _name(environment: gymnasium.Env) -> str:
    """The id, or the class of an environment that was made without `gymnasium.make`."""
    spec = environment.spec
    return (spec.id if spec else type(environment.unwrapped).__name__).replace("/", "_")


def _wrappers(environment: gymnasium.Env) -> Iterator[gymnasium.Wrapper]:
    """The wrappers around an environment, the outermost first."""
    while isinstance(environment, gymnasium.Wrapper):
        yield environment
        environment = environment.env


def _protocol(environment: gymnasium.Env) -> str:
    """Names what makes returns mean something else than those of the environment itself."""
    parts = ["gymnasium"]
    kinds = (gymnasium.RewardWrapper, gymnasium.wrappers.StickyAction)
    parts += sorted(type(one).__name__ for one in _wrappers(environment) if isinstance(one, kinds))
    spec = environment.spec
    if spec is not None and spec.id in gymnasium.registry:
        limit = spec.max_episode_steps
        if limit != gymnasium.registry[spec.id].max_episode_steps:
            parts.append(f"max_episode_steps={limit}")
    return ", ".join(parts)


def _skipped(environment: gymnasium.Env) -> int:
    """Steps of the innermost environment in one agent step."""
    return math.prod(one.skip for one in _wrappers(environment) if isinstance(one, MaxAndSkip))


def _frame_skip(environment: gymnasium.Env) -> int:
    """Frames in one step of the innermost environment: of ALE's, which skips some itself."""
    found = environment.spec.kwargs.get("frameskip", 1) if environment.spec else 1
    return found if isinstance(found, int) else 1


def _takes(function: Callable, name: str) -> bool:
    """Whether a function accepts an argument of that name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def _clipped_space(environment: gymnasium.Env) -> gymnasium.Space:
    """The action space. A ClipAction accepts any number, so its space is the one it clips to."""
    for wrapper in _wrappers(environment):
        if isinstance(wrapper, gymnasium.wrappers.ClipAction):
            return wrapper.env.action_space
        if isinstance(wrapper, gymnasium.ActionWrapper):
            break  # it changes the actions before they are clipped
    return environment.action_space


@configurable
def create_gym_environment(
    id: str | None = None,
    factory: Callable[[], gymnasium.Env] | None = None,
    image_size: Pixels | None = 64,
    scale: dict[str, PositiveFloat] | None = None,
    one_hot: dict[str, tuple[Size, ...]] | None = None,
    planes: dict[str, tuple[Size, ...]] | None = None,
    channels_first: tuple[str, ...] | None = None,
    action_mask: str | None = None,
    episode_info: tuple[str, ...] = (),
    pixels: bool = False,
    wrappers: tuple[Callable[[gymnasium.Env], gymnasium.Env], ...] = (),
    **settings: Any,
) -> GymEnvironment:
    """Creates a Gymnasium environment from its id or with a function.

    Args:
      id: the id for `gymnasium.make`.
      factory: function without arguments that creates the environment; takes precedence over an id.
      image_size: height and width of images for the agent, in pixels; None for their own.
      scale: largest values by name, for observations that are far from 1 (vectors) or that use only
        a part of 0 to 255 (images).
      one_hot: numbers of symbols by name, for observations that are symbols, as in
        {'image': (11, 6, 3)} for MiniGrid's three channels; they become one vector.
      planes: as `one_hot`, but every place keeps its symbols: [H, W, C] becomes planes.
      channels_first: names of images that are [C, H, W]; None to tell by the shape.
      action_mask: 'info' for `info["action_mask"]`, or the name of an observation. A masked action
        is never chosen.
      episode_info: names of numbers in the `info` of every step, as in ('is_success',). Their
        values at the end of an episode are logged.
      pixels: takes what the environment renders as its only observation.
      wrappers: put around the environment, the first one innermost, as in
        [@TransformReward(), @my_module.MyWrapper].
      **settings: other arguments of `gymnasium.make`.

    Raises:
      UserError: the id is unknown, a space is not supported, or there are arguments for
        `gymnasium.make`, but a function that makes the environment.
    """
    if factory is not None and settings:
        raise UserError(
            f"create_gym_environment.{next(iter(settings))} is for gymnasium.make, but here the "
            "environment is made by a function or given: set it there."
        )
    environment = _make(id, settings) if factory is None else factory()
    _check_kind(environment)
    if pixels:
        environment = with_pixels(environment)
    environment = wrap(environment, wrappers)
    return GymEnvironment(
        environment, image_size, scale, one_hot, planes, channels_first, action_mask, episode_info
    )


def _make(id: str | None, settings: Mapping[str, Any]) -> gymnasium.Env:
    if id is None:
        raise UserError(
            "create_gym_environment needs either an id or a factory: add "
            "--gin_bindings=\"create_gym_environment.id='CartPole-v1'\"."
        )
    try:
        environment = gymnasium.make(id, **(_render_mode(id) | dict(settings)))
        return FreshStart(environment) if is_minatar(environment) else environment
    except (gymnasium.error.Error, ImportError) as error:
        unknown = (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv)
        hint = _hint(id) if isinstance(error, unknown) else ""
        raise UserError(
            f"Gymnasium cannot create '{id}' (create_gym_environment.id): "
            f"{str(error).splitlines()[0].rstrip('.')}.{hint}"
        ) from error


def _hint(id: str) -> str:
    """What to write instead of an unknown id."""
    for beginning, module in _PACKAGES.items():
        if id.startswith(beginning):
            return f" Write '{module}:{id}', and install that package if it is missing."
    return (
        f"{did_you_mean(id, gymnasium.registry)} An environment of another package needs the "
        "module that registers it in front, as in 'minigrid:MiniGrid-Empty-8x8-v0'."
    )


def _render_mode(id: str) -> dict[str, str]:
    """The argument that makes an environment render frames, for those that can."""
    module, _, name = id.rpartition(":")
    if module:
        _register(module)
    if name not in gymnasium.registry:  # an id without version, which only `make` can resolve
        return {"render_mode": "rgb_array"}
    entry: Any = gymnasium.registry[name].entry_point
    if isinstance(entry, str):
        entry = gymnasium.envs.registration.load_env_creator(entry)
    modes = getattr(entry, "metadata", {}).get("render_modes", ())
    can = _takes(entry, "render_mode") and (not inspect.isclass(entry) or "rgb_array" in modes)
    return {"render_mode": "rgb_array"} if can else {}


def _register(package: str) -> None:
    """Imports the package before the colon of an id, which registers its environments."""
    importlib.import_module(package)
    if package not in _REGISTRATIONS:
        return
    module, function, beginning = _REGISTRATIONS[package]
    loaded = importlib.import_module(module)
    if function and not any(key.startswith(beginning) for key in gymnasium.registry):
        getattr(loaded, function)()
