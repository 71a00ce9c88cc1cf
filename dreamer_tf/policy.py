"""A stored policy: load it, let it act, evaluate it."""

import os
from typing import Any

import gin
import gymnasium
import numpy as np

from dreamer_tf.environments.interface import (
    DopamineEnvironment,
    Environment,
    GymnasiumEnvironment,
    Observation,
)
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.experiment.agents import create_agent
from dreamer_tf.experiment.checkpoints import CheckpointStore


class Policy:
    """The policy of a run as it was at its newest checkpoint. Remembers its episode."""

    def __init__(self, base_dir: str | os.PathLike, seed: int = 0):
        """Loads configuration and weights.

        Args:
          base_dir: base directory of the run.
          seed: of the sampling of latents (and of actions, where the evaluation samples them).

        Raises:
          UserError: there is no run, or it has no checkpoint yet.
        """
        config = os.path.join(base_dir, gin_files.CONFIG_FILE)
        if not os.path.exists(config):
            raise UserError(f"--base_dir={base_dir}: there is no run in this directory.")
        gin.clear_config()
        gin_files.parse([config])
        self.environment: Environment = launch.make_environment()
        found = CheckpointStore(os.path.join(base_dir, "checkpoints")).load_latest()
        if found is None:
            raise UserError(
                f"--base_dir={base_dir}: the run has no checkpoint yet; one is written after every "
                "iteration and when the run is interrupted."
            )
        self._agent = create_agent(DopamineEnvironment(self.environment), None, seed)
        number, checkpoint = found
        self._agent.restore(checkpoint)
        self.checkpoint = number
        self.agent_steps = self._agent.agent_steps
        self._begin = True
        self._max_steps = _parameter("Runner.max_steps_per_episode", 27_000)

    def gymnasium_environment(self) -> gymnasium.Env:
        """The run's environment with Gymnasium's own interface."""
        return GymnasiumEnvironment(self.environment)

    def reset(self) -> None:
        """The next observation begins an episode."""
        self._begin = True

    def __call__(self, observation: Observation) -> Any:
        """Chooses an action: arrays by name -> int (Discrete) or array in [-1, 1] (Box)."""
        if self._begin:
            self._begin = False
            return self._agent.begin_episode(observation)
        return self._agent.step(0.0, observation)

    def run_episode(
        self,
        seed: int | None = None,
        frames: list[np.ndarray] | None = None,
        max_frames: int = 1000,
    ) -> tuple[float, int]:
        """Runs one whole episode.

        Args:
          seed: of the environment.
          frames: rendered frames [H, W, 3] are appended here, if given.
          max_frames: no more than this many.

        Returns:
          The return and the number of agent steps.
        """
        self.reset()
        observation = self.environment.reset(seed)
        total, steps, ended = 0.0, 0, False
        while not ended and steps < self._max_steps:
            if frames is not None and len(frames) < max_frames:
                frames.append(np.asarray(self.environment.render()))
            action = self(observation)
            observation, reward, terminated, truncated, info = self.environment.step(action)
            ended = terminated or truncated
            if info.get("life_lost"):
                self.reset()  # as in training, where a lost life ends an episode for the agent
            total += reward
            steps += 1
        return float(total), steps


def _parameter(name: str, default: Any) -> Any:
    try:
        return gin.query_parameter(name)
    except ValueError:
        return default


def load_policy(base_dir: str | os.PathLike, seed: int = 0) -> Policy:
    """Loads the newest checkpoint of a run as a policy.

        policy = dreamer_tf.load_policy("runs/atari_small/Pong/0")
        observation = policy.environment.reset(seed=1)
        action = policy(observation)

    Args:
      base_dir: base directory of the run.
      seed: of the policy's sampling.

    Raises:
      UserError: there is no run, or it has no checkpoint yet.
    """
    return Policy(base_dir, seed)
