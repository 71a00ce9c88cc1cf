"""DreamerV2 as an agent of Dopamine: it acts, remembers and learns (paper 2)."""

import os
import time
from collections.abc import Mapping
from typing import Any

import gin
import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment.checkpoints import Checkpoint
from dreamer_tf.learner import Learner
from dreamer_tf.replay import EpisodeReplay

Observation = Mapping[str, np.ndarray]


@gin.configurable(denylist=["observation_space", "action_space", "base_dir", "seed"])
class DreamerV2Agent:
    """Dopamine's agent protocol around model, behavior and replay.

    A Runner calls `begin_episode`, then `step` for every transition, then `end_episode`. In
    `eval_mode` nothing is stored and nothing is learned.
    """

    summary_writer = None  # Dopamine's Runner asks for it; metrics go to the dispatcher
    takes_last_observation = True

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        base_dir: str | os.PathLike | None = None,
        seed: int = 0,
        train_ratio: int = 4,
        prefill_steps: int = 50_000,
        random_policy: bool = False,
        log_every: int = 100,
    ):
        """Builds the networks and opens the replay.

        Args:
          observation_space: observations by name.
          action_space: Discrete, or Box in [-1, 1].
          base_dir: base directory of the run; None for a policy without a replay.
          seed: run seed.
          train_ratio: agent steps per update (Table D1: environment steps per update, 4).
          prefill_steps: agent steps of a uniform random policy before the first update (not in
            the paper; released code: 50,000).
          random_policy: collects all data with a uniform random policy (figure J1).
          log_every: updates between two lines of metrics.
        """
        for name, value, least in (
            ("train_ratio", train_ratio, 1),
            ("prefill_steps", prefill_steps, 0),
            ("log_every", log_every, 1),
        ):
            if value < least:
                raise UserError(f"DreamerV2Agent.{name} is {value}, but must be {least} or more.")
        self.eval_mode = base_dir is None
        self.learner = Learner(observation_space, action_space, seed=seed)
        self.replay = None
        if base_dir is not None:
            self.replay = EpisodeReplay(
                os.path.join(base_dir, "replay"), observation_space, action_space, seed=seed
            )
        self.agent_steps = 0
        self.train_ratio = train_ratio
        self.seconds = {"policy": 0.0, "sampling": 0.0, "update": 0.0}
        self.metrics: dict[str, float] = {}
        self.prefill_steps = prefill_steps
        self._random_policy = random_policy
        self._log_every = log_every
        self._action_space = action_space
        self._rng = np.random.default_rng([seed, 1])
        self._evaluation_steps = 0
        self._since_log: list[dict[str, tf.Tensor | float]] = []
        self._dispatcher = None
        self._policy_state = self.learner.initial_policy_state(1)
        self._is_first = True
        self._action: Any = None

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return int(self.learner.updates)

    def set_collector_dispatcher(self, dispatcher: Any) -> None:
        """Where metrics are written (Dopamine's Runner calls this)."""
        self._dispatcher = dispatcher

    def begin_episode(self, observation: Observation) -> Any:
        """Starts an episode.

        Args:
          observation: the first one, arrays by name.

        Returns:
          The first action: an int (Discrete) or an array in [-1, 1].
        """
        self._policy_state = self.learner.initial_policy_state(1)
        self._is_first = True
        if not self.eval_mode:
            self.replay.add(observation, self._no_action(), 0.0, is_first=True)
        return self._act(observation)

    def step(self, reward: float, observation: Observation) -> Any:
        """One transition of a running episode.

        Args:
          reward: of the last action.
          observation: that the last action led to.

        Returns:
          The next action.
        """
        if not self.eval_mode:
            self.replay.add(observation, self._action, reward)
            self._count_and_train()
        return self._act(observation)

    def end_episode(
        self, reward: float, terminal: bool = True, observation: Observation | None = None
    ) -> None:
        """The last transition of an episode.

        Args:
          reward: of the last action.
          terminal: whether the environment terminated; False on a time limit.
          observation: the last one. It belongs to the episode, so it must be given.
        """
        if self.eval_mode:
            return
        if observation is None:
            raise ValueError(
                "DreamerV2Agent.end_episode needs the last observation: run it with DreamerRunner."
            )
        self.replay.add(observation, self._action, reward, is_last=True, is_terminal=terminal)
        self._count_and_train()

    def cut_episode(self) -> None:
        """The episode that is running will not go on; it is kept as truncated."""
        if self.replay is not None:
            self.replay.close_episodes()

    def save(self, checkpoint: Checkpoint) -> None:
        """Adds everything that the agent needs to go on to a checkpoint."""
        for name, variable in self.learner.variables().items():
            checkpoint.arrays[name] = variable.numpy()
        checkpoint.state["agent"] = {
            "agent_steps": self.agent_steps,
            "evaluation_steps": self._evaluation_steps,
            "rng": self._rng.bit_generator.state,
            "metrics": self.metrics,
            "since_log": [_floats(metrics) for metrics in self._since_log],
            "seconds": self.seconds,
        }
        if self.replay is not None:
            self.replay.flush()
            checkpoint.state["replay"] = self.replay.state()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to a checkpoint.

        Raises:
          UserError: the checkpoint is of networks with other names or sizes.
        """
        variables = self.learner.variables()
        different = set(variables) ^ set(checkpoint.arrays)
        for name in sorted(set(variables) - different):
            if tuple(variables[name].shape) != checkpoint.arrays[name].shape:
                different.add(name)
        if different:
            raise UserError(
                "The checkpoint is of another network: "
                f"{', '.join(sorted(different)[:3])} differ; use the gin configuration that the "
                "run was started with, or another --base_dir."
            )
        for name, variable in variables.items():
            variable.assign(checkpoint.arrays[name])
        state = checkpoint.state["agent"]
        self.agent_steps = int(state["agent_steps"])
        self._evaluation_steps = int(state["evaluation_steps"])
        self._rng.bit_generator.state = state["rng"]
        self.metrics = dict(state["metrics"])
        self._since_log = [dict(metrics) for metrics in state["since_log"]]
        self.seconds = dict(state["seconds"])
        if self.replay is not None:
            self.replay.restore(checkpoint.state["replay"])

    def _act(self, observation: Observation) -> Any:
        explore = not self.eval_mode
        if explore and (self._random_policy or self.agent_steps < self.prefill_steps):
            self._action = self._random_action()
            return self._action
        started = time.perf_counter()
        counter = self.agent_steps if explore else self._evaluation_steps
        self._evaluation_steps += not explore
        batch = {key: np.asarray(value)[None] for key, value in observation.items()}
        action, self._policy_state = self.learner.policy(
            batch, np.array([self._is_first]), self._policy_state, counter, explore
        )
        self._is_first = False
        self._action = int(action[0]) if action.ndim == 1 else action[0]
        self.seconds["policy"] += time.perf_counter() - started
        return self._action

    def _random_action(self) -> Any:
        if isinstance(self._action_space, gymnasium.spaces.Discrete):
            return int(self._rng.integers(self._action_space.n))
        return self._rng.uniform(-1.0, 1.0, self._action_space.shape).astype(np.float32)

    def _no_action(self) -> Any:
        if isinstance(self._action_space, gymnasium.spaces.Discrete):
            return 0
        return np.zeros(self._action_space.shape, np.float32)

    def _count_and_train(self) -> None:
        self.agent_steps += 1
        if self.agent_steps < self.prefill_steps or self.agent_steps % self.train_ratio:
            return
        if not self.replay.can_sample():
            return
        started = time.perf_counter()
        sequences = self.replay.sample()
        sampled = time.perf_counter()
        self._since_log.append(self.learner.update(sequences))
        self.seconds["sampling"] += sampled - started
        self.seconds["update"] += time.perf_counter() - sampled
        if len(self._since_log) == 1 or len(self._since_log) >= self._log_every:
            self._log()

    def _log(self) -> None:
        """Averages the metrics since the last line; the first update is shown at once.

        The gradient norm of an update that was skipped is not finite and is left out: the skipped
        updates are counted in a metric of their own.
        """
        found: dict[str, list[float]] = {}
        for metrics in self._since_log:
            for name, value in _floats(metrics).items():
                found.setdefault(name, []).append(value)
        self.metrics = {name: float(np.mean(values)) for name, values in found.items()}
        if len(self._since_log) < self._log_every:
            return
        for name, optimizer in self.learner.optimizers.items():
            norm = f"{name.removeprefix('world_')}_gradient_norm"
            # While the loss scale of float16 can still be lowered, an overflow is no error.
            if norm not in self.metrics and float(optimizer.loss_scale) <= 1.0:
                raise UserError(
                    f"The last {self._log_every} gradients of {name} were not finite and were not "
                    f"applied: lower {name}/Optimizer.learning_rate, or, where Learner.precision "
                    "is mixed_float16, use mixed_bfloat16 or float32, and start anew."
                )
        self._since_log.clear()
        if self._dispatcher is None:
            return
        values = self.metrics | {
            "replay_steps": len(self.replay),
            "replay_episodes": self.replay.num_episodes,
            "updates": self.updates,
            "train_ratio_measured": self.agent_steps / self.updates,
        }
        values |= {f"seconds_{name}": value for name, value in self.seconds.items()}
        # Imported here, so that an agent that does not log works without Dopamine.
        from dreamer_tf.experiment.dopamine_compat import StatisticsInstance

        self._dispatcher.write(
            [
                StatisticsInstance(f"Agent/{name}", value, self.agent_steps)
                for name, value in values.items()
            ],
            collector_allowlist=("tensorboard", "json_lines"),
        )


def _floats(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as JSON-compatible numbers; what is not finite is left out."""
    values = {name: float(value) for name, value in metrics.items()}
    return {name: value for name, value in values.items() if np.isfinite(value)}
