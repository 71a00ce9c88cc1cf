"""DreamerV2 as an agent of Dopamine: it acts, remembers and learns (paper 2).

Updates overlap with the environment. The policy acts with a copy of the weights that is renewed
when the next update begins, so nobody waits for an update before another one is due:

    agent step    n              n + 1          n + 2   ...   n + train_ratio
    update        k begins       k              k             k + 1 begins
    weights of the policy:  those after update k - 1          those after update k

With `overlap=False` update k is finished at step n, and everything else is the same.
"""

import os
import time
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.agents import data_checks
from dreamer_tf.agents.inspection import inspect_stored
from dreamer_tf.agents.learner import Learner
from dreamer_tf.agents.metrics import MetricAverager, write_agent_metrics
from dreamer_tf.agents.protocol import Agent, Rehearsal
from dreamer_tf.agents.rehearsal import rehearse
from dreamer_tf.agents.rounds import Exchange, Rounds
from dreamer_tf.agents.saved import SavedDreamer, say_replicas
from dreamer_tf.agents.updates import NonFiniteGuard, UpdateThread
from dreamer_tf.environments.factored import ACTION_MASK, random_actions
from dreamer_tf.environments.interface import Observation, action_shape
from dreamer_tf.errors import UserError
from dreamer_tf.networks import workers
from dreamer_tf.networks.replicas import check_divisible
from dreamer_tf.open_loop.prediction import Inspection
from dreamer_tf.replay.episode_replay import EpisodeReplay, Sequences
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import NonNegativeInt, PositiveFloat, PositiveInt
from dreamer_tf.storage import faults, schema
from dreamer_tf.storage.arrays import Expected
from dreamer_tf.storage.checkpoints import Checkpoint, check_arrays


@configurable(
    denylist=["observation_space", "action_space", "base_dir", "seed", "num_environments"]
)
class DreamerV2Agent(Agent):
    """World model, behavior and replay behind Dopamine's agent protocol.

    `begin_episode`, `step` and `end_episode` are made of `record`, `learn` and `act`, which
    `DreamerRunner` calls itself where it steps several environments together.
    """

    label = "DreamerV2"
    batched = True

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
        *,
        base_dir: str | os.PathLike | None = None,
        seed: int = 0,
        num_environments: int = 1,
        train_ratio: PositiveFloat = 4,
        prefill_steps: NonNegativeInt = 50_000,
        pretrain_updates: NonNegativeInt = 0,
        random_policy: bool = False,
        overlap: bool = True,
        max_bad_updates: PositiveInt = 10,
        log_every: PositiveInt = 100,
    ):
        """Builds the networks and opens the replay.

        Args:
          observation_space: observations by name.
          action_space: Discrete, Box in [-1, 1], or FactoredActions.
          base_dir: base directory of the run; None for a policy without a replay.
          seed: run seed.
          num_environments: N, how many environments `act` chooses actions for.
          train_ratio: agent steps per update (Table D1: environment steps per update, 4); below
            1 for several updates per step.
          prefill_steps: agent steps of a uniform random policy before the first update (not in
            the paper; released code: 50,000).
          pretrain_updates: additional updates at the time of the first one (not in the paper;
            released code: 1 on Atari, 100 on the control suite).
          random_policy: collects all data with a uniform random policy (figure J1).
          overlap: runs updates in a thread of their own while the environment continues. The
            numbers are the same without.
          max_bad_updates: the run stops after this many updates in a row with a loss or gradient
            that is not finite. Such gradients are never applied; a batch is kept in `diagnosis/`.
          log_every: updates between two lines of metrics.

        Raises:
          UserError: a number is out of its range, or the networks do not fit the spaces.
        """
        super().__init__(num_environments)
        group = workers.current()
        # A policy without a run never stores or learns.
        self._eval_mode = base_dir is None
        self.learner = Learner(observation_space, action_space, seed=seed)
        self.replay = None
        if base_dir is not None:
            self.replay = EpisodeReplay(
                *(os.path.join(base_dir, "replay"), observation_space, action_space),
                seed=group.seed(seed),
                num_streams=num_environments,
                workers=group.count,
            )
            check_divisible(self.replay.whole_batch, self.learner.num_replicas)
        self.train_ratio = train_ratio
        self.prefill_steps = prefill_steps
        self.pretrain_updates = pretrain_updates
        self._random_policy = random_policy
        self.seconds = {"policy": 0.0, "sampling": 0.0, "update": 0.0, "waiting": 0.0}
        diagnosis = None if base_dir is None else os.path.join(base_dir, "diagnosis")
        self._guard = NonFiniteGuard(diagnosis, max_bad_updates)
        self._updates = UpdateThread(self.learner, self._guard, overlap, self.seconds)
        self._averager = MetricAverager(log_every)
        self._observation_space, self._action_space = observation_space, action_space
        # A stream of its own: random actions must not depend on the networks' initialization.
        self._rng = np.random.default_rng([group.seed(seed), 1])
        self._evaluation_steps = 0
        self.policy_state = self.learner.acting.initial_state(num_environments)
        # True where the policy has not acted in the episode yet, so that its state is an old one.
        self._begins = np.ones(num_environments, bool)
        self._actions = np.stack([self._no_action()] * num_environments)
        self._rounds = Rounds(train_ratio, prefill_steps, num_environments)
        self._first_update_step = 0
        self._notes = data_checks.DataNotes(self.learner.world_model)
        self._ratio = float(train_ratio)  # as measured when the newest update began

    @property
    def eval_mode(self) -> bool:
        """Whether the agent only acts. Dopamine's Runner sets it at the start of each phase."""
        return self._eval_mode

    @eval_mode.setter
    def eval_mode(self, value: bool) -> None:
        self.wait()
        self._eval_mode = value

    @property
    def updates(self) -> int:
        """Updates made so far."""
        return self.learner.updates

    @property
    def finished_updates(self) -> int:
        """Updates whose weights the policy acts with."""
        return self._updates.finished

    def begin_episode(self, observation: Observation) -> Any:
        """Starts an episode: records the first observation and chooses the first action."""
        self.record(0, observation, is_first=True)
        return self._act(observation, is_first=True)

    def step(self, reward: float, observation: Observation) -> Any:
        """Records one transition, begins the updates that are due and chooses the next action."""
        self.record(0, observation, reward)
        self.learn()
        return self._act(observation)

    def end_episode(
        self, reward: float, terminal: bool = True, observation: Observation | None = None
    ) -> None:
        """Records the last transition of an episode.

        Raises:
          ValueError: the last observation is missing; Dopamine's own Runner does not pass it.
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
        """Stores what arrived in one environment, and counts the updates that become due."""
        if self.eval_mode or self.replay is None:
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
        # A reset is no agent step: nobody chose an action.
        if is_first:
            return
        self._notes.look_at_the_end(is_terminal)
        self._advance(self._rounds.count())

    def _advance(self, steps: int) -> None:
        self._rounds.advance(self.agent_steps, self.agent_steps + steps)
        self.agent_steps += steps

    def learn(self) -> None:
        """Begins the updates that are due, after the updates before them."""
        if self._rounds.alone:
            self._begin_updates(self.replay)
        elif not self.eval_mode and self._rounds.is_time():
            self.meet()

    def join(self, exchange: Exchange, workers: int) -> None:
        """Counts agent steps together with other workers."""
        self._rounds.join(exchange, workers)

    def meet(self) -> None:
        """Meets the other workers, and begins the updates that are due then."""
        self.wait()  # all workers must exchange gradients and steps in one order
        replay = self.replay if self._rounds.may_learn(self.agent_steps) else None
        steps, ready = self._rounds.meet(replay is not None and self._notes.can_sample(replay))
        self._advance(steps)
        self._begin_updates(self.replay if ready else None)

    def _begin_updates(self, replay: EpisodeReplay | None) -> None:
        # Updates that become due before there is enough data are dropped, not made up for.
        due = self._rounds.take_due()
        if not due or replay is None or not self._notes.can_sample(replay):
            return
        self.wait()
        before = self.updates - self.pretrain_updates
        if self.updates == 0:
            self._first_update_step = self.agent_steps
            due += self.pretrain_updates
        elif before > 0:
            self._ratio = (self.agent_steps - self._first_update_step) / before
        # Sampled here, not in the thread, because this thread adds the next steps.
        self._updates.begin(due, self._sample)

    def _sample(self) -> Sequences:
        assert self.replay is not None  # `learn` has asked
        started = time.perf_counter()
        batch = self.replay.sample()
        self.seconds["sampling"] += time.perf_counter() - started
        self._notes.look_at_the_first(batch, self.updates)
        return batch

    def rehearse(self, repetitions: int = 0) -> Rehearsal | None:
        """Makes an update on made-up data and takes it back."""
        if self.replay is None:
            return None
        batch, count = self.replay.made_up_batch(), self.num_environments
        return rehearse(self.learner, self._observation_space, batch, count, repetitions)

    def planned_updates(self, steps: int) -> int:
        """Updates of a run of so many agent steps, without those of the random start."""
        learning = self._rounds.due(0, steps)
        return learning + (self.pretrain_updates if learning else 0)

    def wait(self) -> None:
        """Waits for the updates that are running; the policy then acts with their weights."""
        for found in self._updates.finish():
            full = self._averager.add(found)
            self.metrics = self._averager.latest
            if full and self.replay is not None:
                ratios = {"train_ratio": self.train_ratio, "train_ratio_measured": self._ratio}
                values = self.metrics | _counts(self, self.replay) | ratios
                write_agent_metrics(self._dispatcher, values, self.seconds, self.agent_steps)

    def act(self, observation: Observation, is_first: np.ndarray) -> np.ndarray:
        """Chooses the next actions of all environments: random ones during the prefill."""
        explore = not self.eval_mode
        # Random actions do not touch the policy's state, so a start is remembered until it acts.
        self._begins = self._begins | is_first
        if explore and (self._random_policy or self.agent_steps < self.prefill_steps):
            mask = observation[ACTION_MASK] if self.learner.world_model.mask_entries else None
            self._actions = random_actions(
                self._action_space, self._rng, self.num_environments, mask
            )
            return self._actions
        started = time.perf_counter()
        # Two counters: the length of an evaluation must not change the training's randomness.
        counter = self._rounds.own if explore else self._evaluation_steps
        self._evaluation_steps += not explore
        self._actions, self.policy_state = self.learner.acting.step(
            observation, self._begins, self.policy_state, counter, explore
        )
        self._begins = np.zeros_like(self._begins)
        self.seconds["policy"] += time.perf_counter() - started
        return self._actions

    def inspect(self, length: int, context: int, seed: int) -> Inspection | None:
        """Shows how the model sees a few stored sequences, sampled apart from training.

        Where all episodes are shorter than `length`, half of it is tried, a quarter, and so on; the
        context is then at most half of the sequence.
        """
        self.wait()
        if not self.updates or self.replay is None:
            return None
        return inspect_stored(self.learner.inspector, self.replay, length, context, seed)

    def cut_episode(self) -> None:
        """Keeps the running episodes as truncated ones."""
        self.wait()
        if self.replay is not None:
            self.replay.close_episodes()

    def check_iteration(self, steps: int) -> None:
        """Checks that the replay keeps the steps of a checkpoint until the next checkpoint."""
        if self.replay is not None and self.replay.reserve < steps:
            raise UserError(
                f"EpisodeReplay.reserve is {self.replay.reserve:,}, but up to {steps:,} steps are "
                "added between two checkpoints (Runner.training_steps and, in every environment, "
                "one episode of Runner.max_steps_per_episode): raise the one or lower the others."
            )

    def close(self) -> None:
        """Ends the threads and closes the replay."""
        self._updates.close()
        if self.replay is not None:
            self.replay.close()

    def describe(self, steps: int) -> dict[str, str]:
        """Describes sizes, precision, replay and schedule."""
        if self.replay is None:
            raise ValueError("A policy without a base directory has no schedule to describe.")
        return _describe(self, self.replay, steps)

    def save(self, checkpoint: Checkpoint) -> None:
        """Adds weights, optimizer states, counters and the replay's index to a checkpoint."""
        self.wait()
        # Saved between updates, so weights, moments and counters belong together.
        for name, variable in self.learner.variables().items():
            checkpoint.arrays[name] = variable.numpy()
        checkpoint.state["agent"] = {
            "agent_steps": self.agent_steps,
            "own_steps": self._rounds.own,
            "evaluation_steps": self._evaluation_steps,
            "rng": self._rng.bit_generator.state,
            "metrics": self.metrics,
            "since_log": self._averager.pending,
            "seconds": self.seconds,
            "first_update_step": self._first_update_step,
            "bad_updates": self._guard.in_a_row,
            "replicas": self.learner.num_replicas,
        }
        if self.replay is not None:
            self.replay.flush()
            faults.point("replay_flushed")
            checkpoint.state["replay"] = self.replay.state()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Returns to the state in a checkpoint.

        Raises:
          UserError: the checkpoint is of networks with other names or sizes.
        """
        check_arrays(self.learner.variables(), checkpoint.arrays)
        self.learner.assign(checkpoint.arrays)
        state = checkpoint.state["agent"]
        self.agent_steps = int(state["agent_steps"])
        self._rounds.own = int(state.get("own_steps", self.agent_steps))
        self._evaluation_steps = int(state["evaluation_steps"])
        self._rng.bit_generator.state = state["rng"]
        self.metrics = self._averager.latest = dict(state["metrics"])
        self._averager.pending = [dict(metrics) for metrics in state["since_log"]]
        self.seconds.update(state["seconds"])  # in place: the thread of the updates has it too
        self._first_update_step = int(state["first_update_step"])
        self._guard.in_a_row = int(state["bad_updates"])
        if self.replay is not None:
            say_replicas(int(state.get("replicas", 1)), self.learner.num_replicas)
            self.replay.restore(checkpoint.state["replay"])

    def weights(self, part: str) -> Mapping[str, Any]:
        """The world model, or actor, critic and target critic."""
        return self.learner.weights(part)

    def set_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets weights, also those that the policy acts with."""
        self.learner.assign(arrays)

    def expected(self) -> Expected:
        """Weights, optimizer states and counters."""
        return Expected(self.learner.variables())

    def check_state(self, state: dict[str, Any]) -> None:
        """Checks counters and the replay's index, and changes nothing."""
        schema.check_rng(schema.check(state.get("agent"), SavedDreamer, "agent").rng)
        if self.replay is not None:
            self.replay.check_state(state.get("replay"))

    def verify(self) -> str:
        """Reads the whole replay, directly after `restore`."""
        return "" if self.replay is None else self.replay.verify()

    def _act(self, observation: Observation, is_first: bool = False) -> Any:
        batch = {key: np.asarray(value)[None] for key, value in observation.items()}
        action = self.act(batch, np.array([is_first]))[0]
        return int(action) if isinstance(self._action_space, gymnasium.spaces.Discrete) else action

    def _no_action(self) -> Any:
        if isinstance(self._action_space, gymnasium.spaces.Discrete):
            return 0
        return np.zeros(action_shape(self._action_space), np.float32)


def _counts(agent: DreamerV2Agent, replay: EpisodeReplay) -> dict[str, float]:
    return {
        "replay_steps": len(replay),
        "replay_episodes": replay.num_episodes,
        "updates": agent.updates,
    }


def _describe(agent: DreamerV2Agent, replay: EpisodeReplay, steps: int) -> dict[str, str]:
    learner = agent.learner
    counts = learner.num_parameters
    updates = int(steps / agent.train_ratio) + agent.pretrain_updates
    prefill = min(agent.prefill_steps, steps)
    starts = replay.whole_batch * replay.sequence_length
    states = updates * starts * learner.actor_critic.horizon
    imagined = f"{states / 1e9:,.2f}e9" if states >= 1e9 else f"{states:,}"
    count = learner.num_replicas
    shared = f"{count}, each with {replay.whole_batch // count} of {replay.whole_batch} sequences"
    return ({"replicas": shared} if count > 1 else {}) | {
        "parameters": ", ".join(f"{name} {count:,}" for name, count in counts.items()),
        "precision": learner.precision + (", XLA" if learner.jit_compile else ""),
        "replay": f"{replay.capacity:,} steps, {replay.bytes / 1e9:.2f} GB on disk",
        "schedule": f"{updates:,} updates, {imagined} imagined states",
        "random start": f"{prefill:,} agent steps, without their "
        f"{int(prefill / agent.train_ratio):,} updates",
    }
