"""DreamerRunner: Dopamine's Runner with the last observation, truncation and safe checkpoints."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import gin
from absl import logging

from dreamer_tf.agents.dopamine_compat import IterationStatistics, Runner
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.agents.registry import create_agent
from dreamer_tf.environments.interface import (
    DopamineEnvironment,
    Environment,
    EnvironmentLike,
    numbers_of,
)
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import collectors, mirrors, parts  # noqa: F401 - registers mirrors
from dreamer_tf.experiment.group import Group
from dreamer_tf.experiment.guard import EnvironmentFailure, EnvironmentGuard
from dreamer_tf.experiment.phases import Ended, add_episode, no_progress, phase_seeds, unfinished
from dreamer_tf.experiment.progress import PhaseBar
from dreamer_tf.experiment.reporting import (
    DreamSettings,
    ProgressText,
    Reporter,
    add_episodes,
    recent_logs,
)
from dreamer_tf.experiment.rollout import VectorRollout
from dreamer_tf.experiment.session import Session
from dreamer_tf.experiment.signals import Interrupted, StopRequest
from dreamer_tf.networks import workers
from dreamer_tf.scores import score_files
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import NonNegativeInt, PositiveFloat, PositiveInt, Size
from dreamer_tf.storage import disk, log_files
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore
from dreamer_tf.storage.locking import DirectoryLock


@configurable(denylist=["base_dir", "seed"])
class DreamerRunner(Runner):
    """Runs iterations of a training and an evaluation phase (Machado et al., 2018).

    `Runner.num_iterations`, `Runner.training_steps` and the other parameters of Dopamine's Runner
    keep their names and meanings; steps are agent steps. What is added:

    * the agent gets the last observation of an episode, and learns of a time limit as such;
    * environment and agent derive all randomness from one seed, anew in every phase;
    * checkpoints are verified and pickle-free; an interrupt (Ctrl-C, SIGTERM) saves at once;
    * scores, JSON lines and a progress bar.
    """

    # Dopamine's constructor assigns these.
    _start_iteration: int
    _logger: Any

    def __init__(
        self,
        base_dir: str | os.PathLike,
        create_environment_fn: Callable[[], Environment | EnvironmentLike] | None = gin.REQUIRED,
        seed: int = 0,
        num_environments: Size = 1,
        evaluation_episodes: PositiveInt | None = None,
        environment_restarts: NonNegativeInt = 0,
        step_timeout: PositiveFloat | None = None,
        checkpoints_kept: PositiveInt = 3,
        progress_bar: bool = True,
        dream_every: NonNegativeInt = 1,
        dream_length: PositiveInt = 50,
        dream_context: PositiveInt = 5,
    ):
        """Makes environment and agent and resumes from the newest checkpoint, if there is one.

        Args:
          base_dir: base directory of the run.
          create_environment_fn: makes the environment, as in `@AtariEnvironment`. `train_agent`
            binds None where it is given one.
          seed: run seed.
          num_environments: environments that are stepped together (the paper: 1).
          evaluation_episodes: whole episodes of an evaluation; with several environments, at least
            as many. None for as many as have `Runner.evaluation_steps`.
          environment_restarts: how often a process restarts the environment after a failure. The
            running episode is kept as truncated. After the last restart, a failure saves and stops
            the run.
          step_timeout: seconds after which a step or reset of the environments counts as failed;
            None to wait for ever. With workers it ends every step. Otherwise it ends Python code
            and waiting, but not code in C that computes for ever.
          checkpoints_kept: how many checkpoints are kept.
          progress_bar: whether standard error shows a progress bar.
          dream_every: iterations between two looks at the world model; 0 for none. A look is
            histograms and an open-loop prediction of stored sequences.
          dream_length: agent steps of the prediction, the context included.
          dream_context: observations that the model sees before it predicts.

        Raises:
          UserError: a number is out of its range, or the checkpoint does not fit.
        """
        dreams = DreamSettings(dream_every, dream_length, dream_context).check()
        base_dir = os.fspath(base_dir)
        self.seed = seed
        self._progress_bar = progress_bar
        self._episodes_wanted = {"train": None, "eval": evaluation_episodes}
        self._stop = StopRequest()
        self._guard = EnvironmentGuard(
            create_environment_fn,
            num_environments,
            environment_restarts,
            self._stop,
            base_dir,
            lambda: self._agent.agent_steps,
            step_timeout,
        )
        self.session = Session(base_dir)
        self._group = Group(workers.current(), self._stop)
        self._reporter = Reporter(base_dir, seed, dreams, self.session, self._group.workers)
        self._store = parts.store(self._group, base_dir, checkpoints_kept)
        self._interruptions = 0
        self._phases = no_progress()
        self._phase = self._phases["train"]
        self._last_observation: Any = None
        self._bar: PhaseBar | None = None
        self.lock: DirectoryLock | None = None

        def make_agent(
            session: None, environment: DopamineEnvironment, summary_writer: str | None = None
        ) -> Agent:
            agent = create_agent(environment, summary_writer, seed, num_environments)
            return self._group.join(agent)

        collectors.register()
        # Dopamine's constructor makes environment and agent, and then resumes (below).
        super().__init__(base_dir, make_agent, self._guard.make)
        # Dopamine then cuts episodes at the end of a phase; score files count whole episodes.
        if self._max_steps_per_episode is None:
            raise UserError(
                "Runner.max_steps_per_episode is None, but DreamerRunner runs whole episodes: set "
                "a number of agent steps (27,000 is Dopamine's)."
            )
        self._agent.check_iteration(
            self._training_steps + num_environments * self._max_steps_per_episode
        )
        self._guard.make_vector()

    @property
    def agent(self) -> Agent:
        """The agent."""
        return self._agent

    @property
    def environment(self) -> Environment:
        """The environment itself, without Dopamine's adapter."""
        return self._guard.single.environment

    @property
    def num_environments(self) -> int:
        """Environments that are stepped together."""
        return self._guard.count

    @property
    def seconds_in_environment(self) -> float:
        """Seconds that this process has spent in environments."""
        return self._guard.seconds

    @property
    def scores(self) -> list[score_files.Score]:
        """Scores of all phases so far."""
        return self._reporter.scores

    @property
    def base_dir(self) -> str:
        """Base directory of the run."""
        return self._base_dir

    @property
    def store(self) -> CheckpointStore:
        """The checkpoints of the run."""
        return self._store

    @property
    def total_agent_steps(self) -> int:
        """Agent steps of the whole run, as configured."""
        return self._num_iterations * self._training_steps

    @property
    def finished(self) -> bool:
        """Whether all iterations have been run."""
        return self._start_iteration >= self._num_iterations

    def run_experiment(self) -> None:
        """Runs all iterations that are left.

        Raises:
          Interrupted: a signal asked the run to stop. Everything has been saved.
          EnvironmentFailure: the environment failed too often. Everything before has been saved.
          UserError: the disk is full, the base directory was deleted, or the agent cannot
            continue.
        """
        try:
            with self._stop.listening(), _failures_told(self):
                self._reporter.begin(self._collector_dispatcher, self._agent.agent_steps)
                for iteration in range(self._start_iteration, self._num_iterations):
                    statistics = self._run_one_iteration(iteration)
                    if self._logger is not None:
                        self._log_experiment(iteration, statistics)
                    self._reporter.look_at_the_model(
                        self._collector_dispatcher, iteration, self._agent
                    )
                    self._checkpoint_experiment(iteration)
                    self._start_iteration = iteration + 1
                    self._collector_dispatcher.flush()
                self._collector_dispatcher.close()
        finally:
            with contextlib.suppress(Exception):  # after a failure, or closed already
                self._collector_dispatcher.close()
            self._guard.close_vector()
            self.session.end()

    def close(self, keep_environment: bool = False) -> None:
        """Ends threads, workers and environments, closes files, and unlocks the base directory.

        Args:
          keep_environment: does not close the single environment, which somebody else has made.
        """
        self._guard.close(keep_environment)
        self._agent.close()
        if self.lock is not None:
            self.lock.close()

    def _initialize_checkpointer_and_maybe_resume(self, checkpoint_file_prefix: str) -> None:
        """Resumes from our checkpoint. Dopamine's constructor calls it instead of its own."""
        self._start_iteration = 0
        # Dopamine assigns its logger only if it is enabled, and asks for it in any case.
        if not self._use_legacy_logger:
            self._logger = None
        found = parts.find(self._group, self._store, self._agent)
        if found is None:
            return
        number, checkpoint = found
        self._agent.restore(checkpoint)
        state = checkpoint.state["runner"]
        self._start_iteration = state["iteration"]
        self._phases = state["phases"]
        self._interruptions = state["interruptions"]
        if self._logger is not None:
            self._logger.data = state["logs"]
        self.scores.extend(score_files.Score(*score) for score in state["scores"])
        logging.info(
            "Resumed from %s at iteration %d.", self._store.path(number), self._start_iteration
        )

    def _checkpoint_experiment(self, iteration: int) -> None:
        """Saves after an iteration. Dopamine's Runner calls it."""
        self._phases = no_progress()
        self._save(iteration + 1)

    def _save(self, next_iteration: int) -> None:
        # A second signal must not end the process between two files of a checkpoint.
        with self._stop.saving():
            self._check_ownership()
            checkpoint = Checkpoint({}, {})
            self._agent.save(checkpoint)
            self._collector_dispatcher.flush()  # the sizes of the logs must be final
            checkpoint.state["runner"] = {
                "iteration": next_iteration,
                "phases": self._phases,
                "interruptions": self._interruptions,
                "logs": recent_logs(self._logger.data) if self._logger is not None else {},
                "scores": self.scores,
                "log_sizes": log_files.sizes(self._base_dir),
                "workers": self._group.workers.count,
            }
            parts.save(self._group, self._store, checkpoint)
            self.session.saved()
            if (needed := self._store.needed()) is not None:
                self._agent.saved(needed)

    def _run_one_iteration(self, iteration: int) -> dict[str, list[float]]:
        self._iteration = iteration
        statistics = IterationStatistics()
        try:
            self._run_train_phase(statistics)
            if self._evaluation_steps > 0 or self._episodes_wanted["eval"]:
                self._run_eval_phase(statistics)
        except (Interrupted, EnvironmentFailure):
            self._group.leave()
            # The episode cannot continue in another process: environments have no state to save.
            self._cut_episodes()
            self._save(iteration)
            raise
        data = statistics.data_lists
        self._reporter.write_statistics(
            self._collector_dispatcher,
            iteration,
            self._phases,
            self._agent.agent_steps,
            data["train_average_steps_per_second"][0],
            self.seconds_in_environment,
        )
        self._reporter.write_scores(
            iteration, self._phases, self._agent, self.environment, self._max_steps_per_episode
        )
        return data

    def _cut_episodes(self) -> None:
        """Ends the running episodes as truncated; the next ones get other seeds."""
        self._agent.cut_episode()
        # Steps of a cut episode count for the budget of training. An evaluation is over only when
        # enough whole episodes have been run.
        evaluation = self._phases["eval"]
        evaluation["steps"] = sum(evaluation["lengths"])
        self._interruptions += 1

    def _run_train_phase(self, statistics: IterationStatistics) -> tuple[int, float, float]:
        episodes, average, _ = super()._run_train_phase(statistics)
        phase = self._phases["train"]  # may have begun before an interruption
        rate = phase["steps"] / max(phase["seconds"], 1e-9)
        statistics.data_lists["train_average_steps_per_second"] = [rate]
        return episodes, average, rate

    def _run_one_phase(
        self, min_steps: int, statistics: IterationStatistics, run_mode_str: str
    ) -> tuple[int, float, int]:
        """Runs whole episodes until a phase has its agent steps (Machado et al., 2018)."""
        phase = self._phase = self._phases[run_mode_str]
        self._bar = PhaseBar(
            f"{run_mode_str} {self._iteration + 1}/{self._num_iterations}",
            phase["steps"],
            None if self._episodes_wanted[run_mode_str] else min_steps,
            self._progress_bar and self._fine_grained_print_to_console,
            ProgressText(run_mode_str, phase, self._agent, self.environment.frames_per_step),
        )
        started = time.perf_counter()
        log = functools.partial(self._log_episode, run_mode_str)
        self._group.begin(phase, run_mode_str == "train", log, self.environment.episode_info)
        try:
            self._group.run(self._episodes(run_mode_str, min_steps))
        finally:
            phase["seconds"] += time.perf_counter() - started
            self._bar.close()
        add_episodes(statistics, run_mode_str, phase)
        return phase["steps"], sum(phase["returns"]), len(phase["returns"])

    def _log_episode(self, mode: str, ended: Ended) -> None:
        add_episode(self._phase, ended, self.environment.episode_info)
        self._reporter.write_episode(
            self._collector_dispatcher, mode, self._phase, self._agent, self.environment
        )

    def _episodes(self, mode: str, min_steps: int) -> Iterator[Ended]:
        """Each episode of this worker in a phase, as it ends."""
        phase, names = self._phase, self.environment.episode_info

        def wanted() -> bool:
            return unfinished(phase, min_steps, self._episodes_wanted[mode])

        while wanted():
            place = (self._iteration, mode, self._interruptions, self.num_environments)
            seeds = phase_seeds(self._group.workers.seed(self.seed), *place)
            try:
                if self._guard.vector is None:
                    self._guard.single.seed(seeds[0])
                    while wanted():
                        length, value = self._run_one_episode()
                        info = self._guard.single.info
                        yield Ended(length, value, self._guard.call(numbers_of, info, names))
                else:
                    rollout = VectorRollout(
                        self._guard.vector,
                        self._agent,
                        self._max_steps_per_episode,
                        self._clip_rewards,
                        names,
                    )
                    yield from rollout.episodes(seeds, wanted, self._guard.call, self._count)
            except EnvironmentFailure as failure:
                self._guard.use_restart(failure)
                self._cut_episodes()
                self._guard.restart()
                # Dopamine's methods step this attribute.
                self._environment = self._guard.single

    def _check_ownership(self) -> None:
        if self.lock is not None:
            self.lock.check()

    def _count(self, steps: int) -> None:
        self._check_ownership()  # before the agent stores the steps
        self._group.count(steps)
        if self._bar is not None:
            self._bar.update(steps)

    def _initialize_episode(self) -> Any:
        return self._agent.begin_episode(self._guard.call(self._environment.reset))

    def _run_one_step(self, action: Any) -> tuple[Any, float, bool]:
        observation, reward, is_terminal = self._guard.call(super()._run_one_step, action)
        # Kept for `_end_episode`, to which Dopamine does not pass it.
        self._last_observation = observation
        self._count(1)
        return observation, reward, is_terminal

    def _end_episode(self, reward: float, terminal: bool = True) -> None:
        """Passes the last observation on, which Dopamine's Runner leaves out."""
        self._agent.end_episode(reward, terminal, self._last_observation)


@contextlib.contextmanager
def _failures_told(runner: DreamerRunner) -> Iterator[None]:
    """Turns failures of the disk into sentences, and the missing files of a deleted directory."""

    def disk_failed(reason: str) -> str:
        numbers = runner.store.numbers()
        last = f"The last checkpoint is {runner.store.path(numbers[-1])}." if numbers else ""
        return (
            f"The run stopped at {runner.agent.agent_steps:,} agent steps ({reason}): free some "
            f"space in {runner.base_dir} and start the same command again. "
            f"{last or 'There is no checkpoint yet.'}"
        )

    try:
        with disk.user_errors(disk_failed):
            yield
    except disk.ERRORS as error:
        if os.path.isdir(runner.base_dir):
            raise
        raise UserError(
            f"The run stopped, because its base directory {runner.base_dir} was deleted: restore "
            "it from a copy, or start the run anew."
        ) from error
