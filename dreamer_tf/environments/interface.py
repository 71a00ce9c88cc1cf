"""The environment's interface, and adapters to Dopamine's Runner and to Gymnasium."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np

from dreamer_tf.environments.factored import FactoredActions, mask_size
from dreamer_tf.environments.spaces import check_spaces
from dreamer_tf.errors import UserError

# Arrays by name: images [H, W, C] uint8, planes [H, W, C] bool, vectors [K] float32, uint8 or bool.
Observation = Mapping[str, np.ndarray]


def boxes(space: gymnasium.spaces.Dict) -> dict[str, gymnasium.spaces.Box]:
    """The observations of a Dict space by name; in this package all of them are Boxes.

    Raises:
      TypeError: one of them is another space.
    """
    found = {}
    for key, box in space.spaces.items():
        if not isinstance(box, gymnasium.spaces.Box):
            raise TypeError(f"The observation '{key}' is a {type(box).__name__}, not a Box.")
        found[key] = box
    return found


def action_shape(space: gymnasium.Space) -> tuple[int, ...]:
    """Shape of one action: () for Discrete."""
    return () if space.shape is None else space.shape


def action_size(space: gymnasium.Space) -> int:
    """A: number of actions (Discrete), of action dimensions (Box), or of both in all parts."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(space.n)
    if isinstance(space, FactoredActions):
        return mask_size(space) + space.numbers
    return math.prod(action_shape(space))


class Environment(abc.ABC):
    """Gymnasium's five-tuple with named observations.

    Derive from it, or write a class with the members of `EnvironmentLike`; `complete` adds the
    others to it.

    Attributes:
      name: for directories and score files.
      observation_space: images and vectors by name, as `Observation` says. A bool vector named
        `action_mask` says which actions are allowed.
      action_space: Discrete, Box in [-1, 1], or `FactoredActions`.
      frames_per_step: action repeat.
      protocol: short name of the evaluation protocol, for score files.
      max_steps: agent steps after which the environment itself truncates an episode; None if there
        is no such limit or it is unknown.
      notes: what it does to observations, in a few words each; shown when a run starts.
      records: whether `render` returns a frame.
      episode_info: names of numbers in the `info` of every step. Their values at the end of an
        episode are logged.
    """

    name: str
    observation_space: gymnasium.spaces.Dict
    action_space: gymnasium.Space
    frames_per_step: int
    protocol: str
    max_steps: int | None = None
    notes: Sequence[str] = ()
    records: bool = True
    episode_info: Sequence[str] = ()

    @abc.abstractmethod
    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode.

        Args:
          seed: makes this episode and those after it reproducible; None continues.

        Returns:
          The first observation.
        """

    @abc.abstractmethod
    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carries out an action.

        Args:
          action: an element of `action_space`.

        Returns:
          Observation, reward, terminated, truncated and info. A true `info["life_lost"]` ends the
          episode for learning while the game continues.
        """

    @abc.abstractmethod
    def render(self) -> np.ndarray:
        """The current frame for people, [H, W, 3] uint8."""

    def close(self) -> None:  # noqa: B027 - most environments have nothing to end
        """Ends what the environment has started, for example processes."""


class EnvironmentLike(Protocol):
    """The required members of an environment; `Environment` explains them."""

    name: str
    observation_space: gymnasium.spaces.Dict
    action_space: gymnasium.Space
    frames_per_step: int
    protocol: str

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode."""

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carries out an action."""


_REQUIRED = (
    *("name", "observation_space", "action_space", "frames_per_step", "protocol"),
    *("reset", "step"),
)


def complete(environment: Environment | EnvironmentLike) -> Environment:
    """Gives an environment the members that are optional, with defaults for what it lacks.

    Args:
      environment: derived from `Environment`, which passes through, or any object that has the
        members of `EnvironmentLike`.

    Raises:
      UserError: members are missing, or a space is none that agents take.
    """
    missing = [name for name in _REQUIRED if not hasattr(environment, name)]
    if missing:
        raise UserError(
            f"The environment, a {type(environment).__name__}, has no {', '.join(missing)}: it "
            "must be a gymnasium.Env, or have all members of EnvironmentLike in "
            "dreamer_tf.environments.interface."
        )
    check_spaces(environment.name, environment.observation_space, environment.action_space)
    return environment if isinstance(environment, Environment) else _Completed(environment)


class _Completed(Environment):
    """A user's environment with defaults for the optional members."""

    def __init__(self, environment: EnvironmentLike):
        self._wrapped = environment
        self.name = environment.name
        self.observation_space = environment.observation_space
        self.action_space = environment.action_space
        self.frames_per_step = environment.frames_per_step
        self.protocol = environment.protocol
        self.max_steps = getattr(environment, "max_steps", None)
        self.notes = getattr(environment, "notes", ())
        self.episode_info = getattr(environment, "episode_info", ())
        self.records = getattr(environment, "records", hasattr(environment, "render"))

    def __getattr__(self, name: str) -> Any:
        """Whatever else the user's class has."""
        if name == "_wrapped":  # copying asks for members before __init__ has run
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def reset(self, seed: int | None = None) -> Observation:
        return self._wrapped.reset(seed)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        return self._wrapped.step(action)

    def render(self) -> np.ndarray:
        render = getattr(self._wrapped, "render", None)
        if render is None:
            raise UserError(f"{self.name} cannot be recorded: give its class a method render().")
        return render()

    def close(self) -> None:
        close = getattr(self._wrapped, "close", None)
        if close is not None:
            close()


def scale_action(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Clips an action to [-1, 1] and maps this range to [low, high]."""
    share = (np.clip(np.asarray(action, np.float64), -1.0, 1.0) + 1.0) / 2.0
    return (1.0 - share) * low + share * high  # exact at both ends


def protocol_label(environment: Environment, max_steps: int) -> str:
    """The environment's protocol, with the Runner's episode limit if that one comes first.

    Args:
      environment: gives the protocol and its own limit.
      max_steps: `Runner.max_steps_per_episode`, agent steps.
    """
    own = environment.max_steps
    if own is None or max_steps >= own:
        return environment.protocol
    return f"{environment.protocol}, max_steps_per_episode={max_steps}"


def as_number(value: Any) -> float:
    """A number, which may be the only one of an array; NaN for everything else."""
    try:
        return float(np.asarray(value).item())
    except (TypeError, ValueError):
        return math.nan


def numbers_of(info: Mapping[str, Any], names: Sequence[str]) -> tuple[float, ...]:
    """What `Environment.episode_info` names, in its order.

    Args:
      info: of the last step of an episode.
      names: of numbers in it.

    Raises:
      UserError: one of them is missing, or is no number.
    """
    found = []
    for name in names:
        number = as_number(info.get(name))
        if not math.isfinite(number):
            raise UserError(
                f"The info of the environment has no number named '{name}', which its "
                "episode_info names: return it in every step, or name another one."
            )
        found.append(number)
    return tuple(found)


def check_arrival(
    space: gymnasium.spaces.Dict, observation: Observation, reward: float = 0.0
) -> None:
    """Checks what an environment delivered.

    A wrong value is found here, at the step that brought it, and not as a loss that is not finite
    many updates later.

    Args:
      space: what the environment promises.
      observation: what it delivered.
      reward: the reward that came with it.

    Raises:
      ValueError: an observation is missing, has another shape or numbers of another kind, or a
        number is not finite.
    """
    if not _is_finite(reward):
        raise ValueError(f"the reward is {reward}")
    for key, box in space.spaces.items():
        if key not in observation:
            raise ValueError(f"the observation '{key}' is missing")
        value = np.asarray(observation[key])
        if value.shape != box.shape:
            raise ValueError(f"the observation '{key}' has shape {value.shape}, not {box.shape}")
        number = value.dtype.kind
        if number not in "biuf" or (number == "f" and np.dtype(box.dtype).kind != "f"):
            raise ValueError(
                f"the observation '{key}' has the type {value.dtype}, but its space says "
                f"{box.dtype}"
            )
        if value.dtype.kind == "f" and not _is_finite(value):
            raise ValueError(f"the observation '{key}' has numbers that are not finite")
        if value.dtype.kind != "f" and not _fits(value, np.dtype(box.dtype)):
            raise ValueError(
                f"the observation '{key}' has numbers from {value.min()} to {value.max()}, which "
                f"{box.dtype} does not have"
            )


def _fits(value: np.ndarray, dtype: np.dtype) -> bool:
    """Whether integers stay the same in another integer type; elsewhere they would wrap around."""
    if dtype.kind not in "iu" or value.dtype == dtype or not value.size:
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= int(value.min()) and int(value.max()) <= limits.max)


def _copied(space: gymnasium.spaces.Dict, observation: Observation) -> Observation:
    """Arrays of one's own: an environment may write its next observation into the same ones."""
    copies = {}
    for key, box in space.spaces.items():
        value = np.asarray(observation[key])
        copies[key] = np.array(value, box.dtype if value.dtype.kind != "f" else value.dtype)
    return copies


def checked_reset(environment: Environment, seed: int | None = None) -> Observation:
    """Starts an episode and returns its first observation; `ValueError` as `check_arrival`."""
    observation = environment.reset(seed)
    check_arrival(environment.observation_space, observation)
    return _copied(environment.observation_space, observation)


def checked_step(
    environment: Environment, action: Any
) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
    """Carries out an action and returns what `Environment.step` does; errors as above."""
    observation, reward, terminated, truncated, info = environment.step(action)
    if np.size(reward) != 1:
        raise ValueError(f"the reward has shape {np.shape(reward)}, but must be a number")
    check_arrival(environment.observation_space, observation, reward)
    copies = _copied(environment.observation_space, observation)
    return copies, as_number(reward), terminated, truncated, info


def _is_finite(value: np.ndarray | float) -> bool:
    """Whether all numbers are finite in float32, which is what agents compute with."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(value, np.float32)).all())


class DopamineEnvironment:
    """Adapts an environment to Dopamine's Runner and agents.

    `is_terminal` is True where the environment terminated or a life was lost for learning, never
    on a time limit. `game_over` is True where a new episode must begin, for whatever reason.
    """

    def __init__(self, environment: Environment | EnvironmentLike):
        """Wraps an environment; `environment` is the complete one."""
        self.environment = complete(environment)
        self.game_over = False  # Dopamine's Runner reads it after every step
        self.info: Mapping[str, Any] = {}  # of the last step
        self._next_seed: int | None = None

    @property
    def observation_space(self) -> gymnasium.spaces.Dict:
        """Observations by name."""
        return self.environment.observation_space

    @property
    def action_space(self) -> gymnasium.Space:
        """Discrete, or Box in [-1, 1]."""
        return self.environment.action_space

    def seed(self, seed: int) -> None:
        """Gives the next reset a seed."""
        self._next_seed = seed

    def reset(self) -> Observation:
        """Starts an episode and returns its first observation."""
        seed, self._next_seed = self._next_seed, None
        self.game_over = False
        return checked_reset(self.environment, seed)

    def step(self, action: Any) -> tuple[Observation, float, bool, Mapping[str, Any]]:
        """Returns observation, reward, is_terminal and info."""
        observation, reward, terminated, truncated, info = checked_step(self.environment, action)
        self.game_over = terminated or truncated
        self.info = info
        return observation, reward, terminated or bool(info.get("life_lost")), info


class GymnasiumEnvironment(gymnasium.Env):
    """Adapts an environment to whatever expects a `gymnasium.Env`."""

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"

    def __init__(self, environment: Environment | EnvironmentLike, max_steps: int | None = None):
        """Wraps an environment; `environment` is the complete one.

        Args:
          environment: the environment.
          max_steps: agent steps after which an episode is truncated; None for the environment's own
            limit.
        """
        self.environment = complete(environment)
        self.observation_space = self.environment.observation_space
        self.action_space = self.environment.action_space
        self._max_steps = math.inf if max_steps is None else max_steps
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode and returns observation and info."""
        super().reset(seed=seed)
        self._steps = 0
        return checked_reset(self.environment, seed), {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Returns observation, reward, terminated, truncated and info."""
        found = checked_step(self.environment, action)
        observation, reward, terminated, truncated, info = found
        self._steps += 1
        return observation, reward, terminated, truncated or self._steps >= self._max_steps, info

    def render(self) -> np.ndarray:
        """The current frame, [H, W, 3] uint8."""
        return self.environment.render()

    def close(self) -> None:
        """Ends what the environment has started."""
        self.environment.close()
