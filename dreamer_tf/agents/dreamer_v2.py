"""DreamerV2 as an agent of Dopamine: it acts, remembers and learns (paper 2).

Updates overlap with the environment. What the policy acts with is a copy of the weights that is
renewed when the next update begins, so nobody waits for an update before there is another one:

    agent step    n              n + 1          n + 2   ...   n + train_ratio
    update        k begins       k              k             k + 1 begins
    weights of the policy:  those after update k - 1          those after update k

With `overlap=False` update k is finished at step n, and everything else is the same.
"""

import concurrent.futures
import glob
import os
import time
from collections.abc import Mapping
from typing import Any

import gin
import gymnasium
import numpy as np

from dreamer_tf.agents.learner import Inspection, Learner
from dreamer_tf.errors import UserError, check_at_least
from dreamer_tf.replay.episode_replay import EpisodeReplay, Sequences
from dreamer_tf.storage import faults
from dreamer_tf.storage.checkpoints import Checkpoint, check_arrays

Observation = Mapping[str, np.ndarray]

_INSPECTED = 4  # sequences
_KEPT = 3  # batches of updates that were not finite
_GRADIENT_NORMS = {
    "world_model": "model_gradient_norm",
    "actor": "actor_gradient_norm",
    "critic": "critic_gradient_norm",
}


@gin.configurable(
    denylist=["observation_space", "action_space", "base_dir", "seed", "num_environments"]
)
class DreamerV2Agent:
    """Dopamine's agent protocol around model, behavior and replay.

    A Runner calls `begin_episode`, then `step` for every transition, then `end_episode`. With
    several environments it calls `record` for what arrived in each, `learn`, and `act` for all of
    them together; the first three are made of these. In `eval_mode` nothing is stored and nothing
    is learned.
    """

    summary_writer = None  # Dopamine's Runner asks for it; metrics go to the dispatcher
    takes_last_observation = True
    label = "DreamerV2"  # in score files

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        base_dir: str | os.PathLike | None = None,
        seed: int = 0,
        num_environments: int = 1,
        train_ratio: float = 4,
        prefill_steps: int = 50_000,
        random_policy: bool = False,
        overlap: bool = True,
        max_bad_updates: int = 10,
        log_every: int = 100,
    ):
        """Builds the networks and opens the replay.

        Args:
          observation_space: observations by name.
          action_space: Discrete, or Box in [-1, 1].
          base_dir: base directory of the run; None for a policy without a replay.
          seed: run seed.
          num_environments: N, how many environments `act` chooses actions for.
          train_ratio: agent steps per update (Table D1: environment steps per update, 4); below
            1 for several updates per step.
          prefill_steps: agent steps of a uniform random policy before the first update (not in
            the paper; released code: 50,000).
          random_policy: collects all data with a uniform random policy (figure J1).
          overlap: runs updates in a thread of their own while the environment goes on. The
            numbers are the same without.
          max_bad_updates: updates in a row with a loss or gradient that is not finite after which
            the run stops. None of them is applied, and a batch is kept in `diagnosis/`.
          log_every: updates between two lines of metrics.
        """
        check_at_least("DreamerV2Agent.prefill_steps", prefill_steps, 0)
        check_at_least("DreamerV2Agent.log_every", log_every, 1)
        if not train_ratio > 0:
            raise UserError(
                f"DreamerV2Agent.train_ratio is {train_ratio}, but must be a positive number of "
                "agent steps per update."
            )
        self._eval_mode = base_dir is None
        self.learner = Learner(observation_space, action_space, seed=seed)
        self.replay = None
        if base_dir is not None:
            self.replay = EpisodeReplay(
                os.path.join(base_dir, "replay"),
                observation_space,
                action_space,
                seed=seed,
                num_streams=num_environments,
            )
        self.num_environments = num_environments
        self.agent_steps = 0
        self.train_ratio = train_ratio
        # "update" is the time of the updates themselves, "waiting" the part of it in which nothing
        # else went on.
        self.seconds = {"policy": 0.0, "sampling": 0.0, "update": 0.0, "waiting": 0.0}
        self.metrics: dict[str, float] = {}
        self.prefill_steps = prefill_steps
        self._random_policy = random_policy
        self._log_every = log_every
        self._max_bad_updates = max_bad_updates
        self._bad_updates = 0  # in a row, until now
        self._diagnosis = None if base_dir is None else os.path.join(base_dir, "diagnosis")
        self._action_space = action_space
        self._rng = np.random.default_rng([seed, 1])
        self._evaluation_steps = 0
        self._since_log: list[dict[str, float]] = []
        self._dispatcher = None
        self.policy_state = self.learner.initial_policy_state(num_environments)
        # Environments in whose episode the policy has not acted yet: its state is not theirs.
        self._begins = np.ones(num_environments, bool)
        self._actions = np.stack([self._no_action()] * num_environments)
        self._due = 0
        self._first_update_step = 0
        self._ratio = float(train_ratio)  # as measured when the newest update began
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "update") if overlap else None
        self._running: concurrent.futures.Future | None = None

    @property
    def eval_mode(self) -> bool:
        """Whether nothing is stored and learned (Dopamine's Runner sets this)."""
        return self._eval_mode

    @eval_mode.setter
    def eval_mode(self, value: bool) -> None:
        self.wait()
        self._eval_mode = value

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
        self.record(0, observation, is_first=True)
        return self._act(observation, is_first=True)

    def step(self, reward: float, observation: Observation) -> Any:
        """One transition of a running episode.

        Args:
          reward: of the last action.
          observation: that the last action led to.

        Returns:
          The next action.
        """
        self.record(0, observation, reward)
        self.learn()
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
        self.record(0, observation, reward, is_last=True, is_terminal=terminal)
        self.learn()

    def record(
        self,
        environment: int,
        observation: Observation,
        reward: float = 0.0,
        *,
        is_first: bool = False,
        is_last: bool = False,
        is_terminal: bool = False,
    ) -> None:
        """Stores what arrived in one environment; nothing in `eval_mode`.

        Args:
          environment: its number.
          observation: arrays by name.
          reward: of the last action that `act` chose for this environment.
          is_first: the observation is a reset's; it is no agent step.
          is_last: the episode ended here, for whatever reason.
          is_terminal: the environment terminated here.
        """
        if self.eval_mode:
            return
        self.replay.add(
            observation,
            self._no_action() if is_first else self._actions[environment],
            reward,
            is_first=is_first,
            is_last=is_last,
            is_terminal=is_terminal,
            stream=environment,
        )
        if is_first:
            return
        before, self.agent_steps = self.agent_steps, self.agent_steps + 1
        if self.agent_steps >= self.prefill_steps:
            self._due += self._updates_until(self.agent_steps) - self._updates_until(before)

    def learn(self) -> None:
        """Begins the updates that are due, once those before them are finished."""
        due, self._due = self._due, 0
        if not due or not self.replay.can_sample():
            return
        self.wait()
        started = time.perf_counter()
        batches = [self.replay.sample() for _ in range(due)]
        self.seconds["sampling"] += time.perf_counter() - started
        before = self.updates
        if before == 0:
            self._first_update_step = self.agent_steps
        else:
            self._ratio = (self.agent_steps - self._first_update_step) / before
        # The first update compiles, and is waited for.
        if self._worker is None or self.learner.num_traces == 0:
            self._running = concurrent.futures.Future()
            started = time.perf_counter()
            self._running.set_result(self._update(batches))
            self.seconds["waiting"] += time.perf_counter() - started
        else:
            self._running = self._worker.submit(self._update, batches)

    def wait(self) -> None:
        """Waits for the updates that are running; the policy then acts with their weights."""
        if self._running is None:
            return
        started = time.perf_counter()
        running, self._running = self._running, None
        metrics, seconds = running.result()
        self.learner.refresh_policy()
        self.seconds["waiting"] += time.perf_counter() - started
        self.seconds["update"] += seconds
        for found in metrics:
            self._since_log.append(found)
            if len(self._since_log) == 1 or len(self._since_log) >= self._log_every:
                self._log()

    def act(self, observation: Observation, is_first: np.ndarray) -> np.ndarray:
        """Chooses the next actions of all environments.

        Args:
          observation: arrays [N, ...] by name.
          is_first: [N] bool; where an episode begins.

        Returns:
          [N] int (Discrete) or [N, ...] float32 in [-1, 1] (Box).
        """
        explore = not self.eval_mode
        self._begins = self._begins | is_first
        if explore and (self._random_policy or self.agent_steps < self.prefill_steps):
            self._actions = self._random_actions()
            return self._actions
        started = time.perf_counter()
        counter = self.agent_steps if explore else self._evaluation_steps
        self._evaluation_steps += not explore
        self._actions, self.policy_state = self.learner.policy(
            observation, self._begins, self.policy_state, counter, explore
        )
        self._begins = np.zeros_like(self._begins)
        self.seconds["policy"] += time.perf_counter() - started
        return self._actions

    def inspect(self, length: int, context: int, seed: int) -> Inspection | None:
        """How the model sees a few stored sequences, drawn apart from those for training.

        Args:
          length: steps of a sequence; where all episodes are shorter, half of it, a quarter, ...
          context: observations that the prediction begins with; at most half of the steps.
          seed: chooses the sequences.

        Returns:
          None before the first update, and where no episode has two observations.
        """
        self.wait()
        if not self.updates:
            return None
        while length >= 2:
            rng = np.random.default_rng(seed)
            sequences = self.replay.whole_sequences(_INSPECTED, length, rng)
            if sequences is not None:
                return self.learner.inspect(sequences, min(context, length // 2))
            length //= 2
        return None

    def cut_episode(self) -> None:
        """The episodes that are running will not go on; they are kept as truncated."""
        self.wait()
        if self.replay is not None:
            self.replay.close_episodes()

    def close(self) -> None:
        """Ends the threads and closes the replay; nothing can be done with the agent after it."""
        if self._worker is not None:
            self._worker.shutdown()
        if self.replay is not None:
            self.replay.close()

    def describe(self, steps: int) -> dict[str, str]:
        """What the agent is and will do in a number of agent steps, for people."""
        learner, replay = self.learner, self.replay
        counts = learner.num_parameters
        updates = int(steps / self.train_ratio)
        prefill = min(self.prefill_steps, steps)
        starts = replay.batch_size * replay.sequence_length
        imagined = updates * starts * learner.actor_critic.horizon
        imagined = f"{imagined / 1e9:,.2f}e9" if imagined >= 1e9 else f"{imagined:,}"
        return {
            "parameters": ", ".join(f"{name} {count:,}" for name, count in counts.items()),
            "precision": learner.precision + (", XLA" if learner.jit_compile else ""),
            "replay": f"{replay.capacity:,} steps, {replay.bytes / 1e9:.2f} GB on disk",
            "schedule": f"{updates:,} updates, {imagined} imagined states",
            "random start": f"{prefill:,} agent steps, without their "
            f"{int(prefill / self.train_ratio):,} updates",
        }

    def save(self, checkpoint: Checkpoint) -> None:
        """Adds everything that the agent needs to go on to a checkpoint."""
        self.wait()
        for name, variable in self.learner.variables().items():
            checkpoint.arrays[name] = variable.numpy()
        checkpoint.state["agent"] = {
            "agent_steps": self.agent_steps,
            "evaluation_steps": self._evaluation_steps,
            "rng": self._rng.bit_generator.state,
            "metrics": self.metrics,
            "since_log": self._since_log,
            "seconds": self.seconds,
            "first_update_step": self._first_update_step,
            "bad_updates": self._bad_updates,
        }
        if self.replay is not None:
            self.replay.flush()
            faults.point("replay_flushed")
            checkpoint.state["replay"] = self.replay.state()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to a checkpoint.

        Raises:
          UserError: the checkpoint is of networks with other names or sizes.
        """
        variables = self.learner.variables()
        check_arrays(variables, checkpoint.arrays)
        for name, variable in variables.items():
            variable.assign(checkpoint.arrays[name])
        self.learner.refresh_policy()
        state = checkpoint.state["agent"]
        self.agent_steps = int(state["agent_steps"])
        self._evaluation_steps = int(state["evaluation_steps"])
        self._rng.bit_generator.state = state["rng"]
        self.metrics = dict(state["metrics"])
        self._since_log = [dict(metrics) for metrics in state["since_log"]]
        self.seconds |= state["seconds"]
        self._first_update_step = int(state["first_update_step"])
        self._bad_updates = int(state["bad_updates"])
        if self.replay is not None:
            self.replay.restore(checkpoint.state["replay"])

    def _act(self, observation: Observation, is_first: bool = False) -> Any:
        batch = {key: np.asarray(value)[None] for key, value in observation.items()}
        action = self.act(batch, np.array([is_first]))[0]
        return int(action) if isinstance(self._action_space, gymnasium.spaces.Discrete) else action

    def _random_actions(self) -> np.ndarray:
        count, space = self.num_environments, self._action_space
        if isinstance(space, gymnasium.spaces.Discrete):
            return self._rng.integers(space.n, size=count)
        return self._rng.uniform(-1.0, 1.0, (count, *space.shape)).astype(np.float32)

    def _no_action(self) -> Any:
        if isinstance(self._action_space, gymnasium.spaces.Discrete):
            return 0
        return np.zeros(self._action_space.shape, np.float32)

    def _updates_until(self, agent_steps: int) -> int:
        return int(agent_steps / self.train_ratio + 1e-9)

    def _update(self, batches: list[Sequences]) -> tuple[list[dict[str, float]], float]:
        """Metrics of each update, and the seconds of all of them."""
        started = time.perf_counter()
        metrics = []
        for batch in batches:
            values = {name: float(value) for name, value in self.learner.update(batch).items()}
            self._check(batch, values)
            metrics.append({name: value for name, value in values.items() if np.isfinite(value)})
        return metrics, time.perf_counter() - started

    def _check(self, batch: Sequences, values: dict[str, float]) -> None:
        """Counts updates in which something is not finite; such a part is not applied.

        Raises:
          UserError: there were too many in a row.
        """
        expected = set()
        for part, norm in _GRADIENT_NORMS.items():
            # While the loss scale of float16 can still be lowered, an overflow is no error.
            if values[f"{part}_loss_scale"] > 1.0:
                expected.add(norm)
        bad = [name for name, value in values.items() if not np.isfinite(value)]
        if not set(bad) - expected:
            self._bad_updates = 0
            return
        self._bad_updates += 1
        kept = os.path.join(self._diagnosis, f"update-{self.updates:09d}.npz")
        if self._bad_updates == 1 and len(glob.glob(f"{self._diagnosis}/*")) < _KEPT:
            os.makedirs(self._diagnosis, exist_ok=True)
            arrays = batch._asdict()
            for key, value in arrays.pop("observation").items():
                arrays[f"observation.{key}"] = value
            np.savez(kept, not_finite=np.array(bad), **arrays)
        if self._bad_updates >= self._max_bad_updates:
            raise UserError(
                f"{', '.join(sorted(bad))} were not finite in update {self.updates:,} and the "
                f"{self._bad_updates - 1} before it (DreamerV2Agent.max_bad_updates); such "
                f"gradients are not applied, and a batch is in {self._diagnosis}. Lower the "
                "learning rates (world_model/Optimizer.learning_rate and so on), or, where "
                "Learner.precision is mixed_float16, use mixed_bfloat16 or float32."
            )

    def _log(self) -> None:
        """Averages the metrics since the last line; the first update is shown at once.

        What was not finite is left out: skipped updates are counted in a metric of their own.
        """
        found: dict[str, list[float]] = {}
        for metrics in self._since_log:
            for name, value in metrics.items():
                found.setdefault(name, []).append(value)
        self.metrics = {name: float(np.mean(values)) for name, values in found.items()}
        if len(self._since_log) < self._log_every:
            return
        self._since_log.clear()
        if self._dispatcher is None:
            return
        values = self.metrics | {
            "replay_steps": len(self.replay),
            "replay_episodes": self.replay.num_episodes,
            "updates": self.updates,
            "train_ratio": self.train_ratio,
            "train_ratio_measured": self._ratio,
        }
        # Imported here, so that an agent that does not log works without Dopamine.
        from dreamer_tf.agents.metrics import write_agent_metrics

        write_agent_metrics(self._dispatcher, values, self.seconds, self.agent_steps)
