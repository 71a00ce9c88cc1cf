"""What an environment is here, and the adapter that gives it to Dopamine's Runner."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np

Observation = dict[str, np.ndarray]
# They name losses and layers.
RESERVED_NAMES = ("kl", "reward", "discount", "model", "actor", "critic", "linear")


@runtime_checkable
class Environment(Protocol):
    """Gymnasium's five-tuple with named observations."""

    name: str  # for directories and score files
    observation_space: gymnasium.spaces.Dict  # uint8 images [H, W, C], float vectors [K]
    action_space: gymnasium.Space  # Discrete, or Box in [-1, 1]
    frames_per_step: int  # action repeat
    protocol: str  # short name of the evaluation protocol, for score files

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode; a seed makes it reproducible."""

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Returns observation, reward, terminated, truncated, info.

        `info["life_lost"]` may say that an episode ends for learning while the game goes on.
        """

    def render(self) -> np.ndarray:
        """The current frame for people, [H, W, 3] uint8."""


def scale_action(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Clips an action to [-1, 1] and maps that to [low, high]."""
    share = (np.clip(np.asarray(action, np.float64), -1.0, 1.0) + 1.0) / 2.0
    return (1.0 - share) * low + share * high  # exact at both ends


def protocol_label(environment: Environment, max_steps: int) -> str:
    """The environment's protocol, with the episode limit where the Runner's comes before its own.

    Args:
      environment: whose attribute `max_steps`, if it has one, are the agent steps after which it
        truncates an episode itself.
      max_steps: `Runner.max_steps_per_episode`, agent steps.
    """
    own = getattr(environment, "max_steps", None)
    if own is None or max_steps >= own:
        return environment.protocol
    return f"{environment.protocol}, max_steps_per_episode={max_steps}"


def check_arrival(
    space: gymnasium.spaces.Dict, observation: Observation, reward: float = 0.0
) -> None:
    """Checks what an environment delivered.

    Raises:
      ValueError: an observation is missing, has another shape, or a number is not finite.
    """
    if not np.isfinite(reward):
        raise ValueError(f"the reward is {reward}")
    for key, box in space.spaces.items():
        if key not in observation:
            raise ValueError(f"the observation '{key}' is missing")
        value = np.asarray(observation[key])
        if value.shape != box.shape:
            raise ValueError(f"the observation '{key}' has shape {value.shape}, not {box.shape}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"the observation '{key}' has numbers that are not finite")


class DopamineEnvironment:
    """Gives an `Environment` to Dopamine's Runner and agents.

    `reset()` returns the observation; `step()` Dopamine's four values. `is_terminal` is True
    where the environment terminated or a life was lost for learning, never on a time limit;
    `game_over` is True where a new episode must begin for whatever reason.
    """

    def __init__(self, environment: Environment):
        """Wraps the environment."""
        self.environment = environment
        self.game_over = False
        self._next_seed: int | None = None

    @property
    def observation_space(self) -> gymnasium.spaces.Dict:
        """As the environment's."""
        return self.environment.observation_space

    @property
    def action_space(self) -> gymnasium.Space:
        """As the environment's."""
        return self.environment.action_space

    def seed(self, seed: int) -> None:
        """The next reset is made with this seed."""
        self._next_seed = seed

    def reset(self) -> Observation:
        """Starts an episode and returns its first observation."""
        seed, self._next_seed = self._next_seed, None
        self.game_over = False
        observation = self.environment.reset(seed)
        check_arrival(self.observation_space, observation)
        return observation

    def step(self, action: Any) -> tuple[Observation, float, bool, Mapping[str, Any]]:
        """Returns observation, reward, is_terminal and info."""
        observation, reward, terminated, truncated, info = self.environment.step(action)
        check_arrival(self.observation_space, observation, reward)
        self.game_over = terminated or truncated
        return observation, reward, terminated or bool(info.get("life_lost")), info


class GymnasiumEnvironment(gymnasium.Env):
    """Gives an `Environment` to whatever expects `gymnasium.Env`."""

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"

    def __init__(self, environment: Environment):
        """Wraps the environment."""
        self.environment = environment
        self.observation_space = environment.observation_space
        self.action_space = environment.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode and returns observation and info."""
        super().reset(seed=seed)
        observation = self.environment.reset(seed)
        check_arrival(self.observation_space, observation)
        return observation, {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Returns observation, reward, terminated, truncated, info."""
        observation, reward, terminated, truncated, info = self.environment.step(action)
        check_arrival(self.observation_space, observation, reward)
        return observation, reward, terminated, truncated, info

    def render(self) -> np.ndarray:
        """The current frame, [H, W, 3] uint8."""
        return self.environment.render()

    def close(self) -> None:
        """Ends what the environment has started."""
        close(self.environment)


def close(environment: Environment) -> None:
    """Ends what an environment has started, if it can."""
    if hasattr(environment, "close"):
        environment.close()
