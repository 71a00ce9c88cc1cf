"""DreamerRunner: Dopamine's Runner with the last observation, truncation and safe checkpoints."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import gin
import numpy as np
from absl import logging
from gymnasium.vector import VectorEnv

from dreamer_tf.agents.dopamine_compat import (
    IterationStatistics,
    Runner,
    StatisticsInstance,
)
from dreamer_tf.agents.registry import create_agent
from dreamer_tf.environments.interface import (
    DopamineEnvironment,
    Environment,
    close,
    protocol_label,
)
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.errors import UserError, check_at_least
from dreamer_tf.experiment import collectors, gin_files  # noqa: F401 - registers the collectors
from dreamer_tf.experiment.progress import PhaseBar
from dreamer_tf.experiment.rollout import VectorRollout
from dreamer_tf.experiment.signals import StopRequest
from dreamer_tf.open_loop import drawing, gif
from dreamer_tf.scores import score_files
from dreamer_tf.storage import disk, faults, log_files
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore

_PHASES = ("train", "eval")


class EnvironmentFailure(RuntimeError):
    """The environment raised an exception; what came before it has been saved."""


class Interrupted(Exception):
    """The run was asked to stop, has been saved, and can be resumed."""


@gin.configurable(denylist=["base_dir", "seed"])
class DreamerRunner(Runner):
    """Runs iterations of a training and an evaluation phase (Machado et al., 2018).

    `Runner.num_iterations`, `Runner.training_steps` and the other parameters of Dopamine's Runner
    keep their names and meanings; steps are agent steps. What is added:

    * the agent gets the last observation of an episode, and learns of a time limit as such;
    * environment and agent derive all randomness from one seed, anew in every phase;
    * checkpoints are verified and pickle-free; an interrupt (Ctrl-C, SIGTERM) saves at once;
    * scores, JSON lines and a progress bar.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike,
        create_environment_fn: Callable[[], Environment] = gin.REQUIRED,
        seed: int = 0,
        num_environments: int = 1,
        environment_restarts: int = 0,
        checkpoints_kept: int = 3,
        progress_bar: bool = True,
        dream_every: int = 1,
        dream_length: int = 50,
        dream_context: int = 5,
    ):
        """Makes environment and agent and resumes from the newest checkpoint, if there is one.

        Args:
          base_dir: base directory of the run.
          create_environment_fn: makes the environment, as in `@AtariEnvironment`.
          seed: run seed.
          num_environments: environments that are stepped together (the paper: 1).
          environment_restarts: how often a process makes the environment anew after it has failed;
            the episode that was running is kept as truncated. After that the run saves and stops.
          checkpoints_kept: how many checkpoints are kept.
          progress_bar: whether a progress bar is shown on a terminal's standard error.
          dream_every: iterations from one look at the world model to the next; 0 for none. It is
            histograms and an open-loop prediction of stored sequences.
          dream_length: steps of the prediction, the context included.
          dream_context: observations that the model sees before it dreams.
        """
        check_at_least("DreamerRunner.num_environments", num_environments, 1)
        if dream_every and not 0 < dream_context < dream_length:
            raise UserError(
                f"DreamerRunner.dream_context is {dream_context}, but must be at least 1 and less "
                f"than DreamerRunner.dream_length ({dream_length})."
            )
        self._dream_every = dream_every
        self._dream_length = dream_length
        self._dream_context = dream_context
        self.seed = seed
        self.num_environments = num_environments
        self._create_environment_fn = create_environment_fn
        self._restarts_left = environment_restarts
        self._vector: VectorEnv | None = None
        self.agent_name = "agent"
        self._progress_bar = progress_bar
        self._store = CheckpointStore(os.path.join(base_dir, "checkpoints"), checkpoints_kept)
        self._interruptions = 0
        self._stop = StopRequest()
        self.lock: Any = None
        self.device = ""
        self._phases = _no_progress()
        self._last_observation: Any = None
        self._bar: PhaseBar | None = None
        self.seconds_in_environment = 0.0
        self.scores: list[score_files.Score] = []

        # Before anything opens a log: what comes after the checkpoint happens again.
        self._found = self._store.load_latest()
        if self._found is not None:
            log_files.cut_back(base_dir, self._found[1].state["runner"]["log_sizes"])
        elif os.path.exists(os.path.join(base_dir, gin_files.RUN_FILE)):
            log_files.cut_back(base_dir, {})  # killed before its first checkpoint

        def make_environment() -> DopamineEnvironment:
            return DopamineEnvironment(create_environment_fn())

        def make_agent(session, environment, summary_writer=None):
            return create_agent(environment, summary_writer, seed, num_environments)

        super().__init__(os.fspath(base_dir), make_agent, make_environment)
        if self._max_steps_per_episode is None:
            raise UserError(
                "Runner.max_steps_per_episode is None, but DreamerRunner runs whole episodes: set "
                "a number of agent steps (27,000 is Dopamine's)."
            )
        check_at_least("Runner.log_every_n", self._log_every_n, 1)
        self._check_reserve()
        self._make_vector()
        self.agent_name = self._agent.label

    @property
    def agent(self) -> Any:
        """The agent."""
        return self._agent

    @property
    def environment(self) -> Environment:
        """The environment itself, without Dopamine's adapter."""
        return self._environment.environment

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
          Interrupted: a signal came; everything has been saved.
        """
        try:
            with self._stop.listening():
                for iteration in range(self._start_iteration, self._num_iterations):
                    statistics = self._run_one_iteration(iteration)
                    if self._logger is not None:
                        self._log_experiment(iteration, statistics)
                    self._look_at_the_model(iteration)
                    self._checkpoint_experiment(iteration)
                    self._start_iteration = iteration + 1
                    self._collector_dispatcher.flush()
                self._collector_dispatcher.close()
        except disk.ERRORS as error:
            reason = disk.reason(error)
            if reason is None:
                raise
            numbers = self._store.numbers()
            last = f"{self._store.path(numbers[-1])} is intact" if numbers else "there is none yet"
            raise UserError(
                f"The run stopped at {self._agent.agent_steps:,} agent steps ({reason}); the last "
                f"checkpoint: {last}; free some space in {self._base_dir} and start the same "
                "command again."
            ) from error
        finally:
            with contextlib.suppress(Exception):  # after a failure, or closed already
                self._collector_dispatcher.close()
            self._close_vector()

    def close(self) -> None:
        """Ends threads and workers, closes files, and lets others use the directory."""
        self._close_vector()
        if hasattr(self._agent, "close"):
            self._agent.close()
        if self.lock is not None:
            self.lock.close()

    def _initialize_checkpointer_and_maybe_resume(self, checkpoint_file_prefix: str) -> None:
        self._start_iteration = 0
        if not self._use_legacy_logger:
            self._logger = None
        if self._found is None:
            return
        (number, checkpoint), self._found = self._found, None
        self._agent.restore(checkpoint)
        state = checkpoint.state["runner"]
        self._start_iteration = state["iteration"]
        self._phases = state["phases"]
        self._interruptions = state["interruptions"]
        if self._logger is not None:
            self._logger.data = state["logs"]
        self.scores = [score_files.Score(*score) for score in state["scores"]]
        logging.info(
            "Resumed from %s at iteration %d.", self._store.path(number), self._start_iteration
        )

    def _checkpoint_experiment(self, iteration: int) -> None:
        """Saves after an iteration (Dopamine's Runner calls this)."""
        self._phases = _no_progress()
        self._save(iteration + 1)

    def _save(self, next_iteration: int) -> None:
        with self._stop.saving():
            self._save_now(next_iteration)

    def _save_now(self, next_iteration: int) -> None:
        checkpoint = Checkpoint({}, {})
        self._agent.save(checkpoint)
        checkpoint.state["runner"] = {
            "iteration": next_iteration,
            "phases": self._phases,
            "interruptions": self._interruptions,
            "logs": self._logger.data if self._logger is not None else {},
            "scores": self.scores,
            "log_sizes": self._log_sizes(),
        }
        number = max(self._store.numbers(), default=0) + 1
        self._store.save(number, checkpoint)
        if hasattr(self._agent, "saved"):
            self._agent.saved(self._store.needed())

    def _log_sizes(self) -> dict[str, int]:
        self._collector_dispatcher.flush()
        return log_files.sizes(self._base_dir)

    def _check_reserve(self) -> None:
        """The replay must keep what a checkpoint needs until the next one."""
        replay = getattr(self._agent, "replay", None)
        added = self._training_steps + self.num_environments * self._max_steps_per_episode
        if replay is not None and replay.reserve < added:
            raise UserError(
                f"EpisodeReplay.reserve is {replay.reserve:,}, but up to {added:,} steps are added "
                "between two checkpoints (Runner.training_steps and, in every environment, one "
                "episode of Runner.max_steps_per_episode): raise the one or lower the others."
            )

    def _run_one_iteration(self, iteration: int) -> dict[str, list[float]]:
        self._iteration = iteration
        statistics = IterationStatistics()
        try:
            self._run_train_phase(statistics)
            if self._evaluation_steps > 0:
                self._run_eval_phase(statistics)
        except (Interrupted, EnvironmentFailure):
            self._cut_episodes()
            self._save(iteration)
            raise
        self._write_statistics(iteration, statistics.data_lists)
        self._add_scores(iteration)
        return statistics.data_lists

    def _cut_episodes(self) -> None:
        """The episodes that are running do not go on; those after them get other seeds."""
        self._agent.cut_episode()
        # Steps of an episode that was cut count for the budget of the training, but an evaluation
        # is over only when enough whole episodes have been run.
        evaluation = self._phases["eval"]
        evaluation["steps"] = sum(evaluation["lengths"])
        self._interruptions += 1

    def _make_vector(self) -> None:
        if self.num_environments > 1:
            self._vector = create_vector_environment(
                self._create_environment_fn, self.num_environments
            )

    def _close_vector(self) -> None:
        """Ends the workers, also where some of them are dead."""
        vector, self._vector = self._vector, None
        if vector is None:
            return
        for process in getattr(vector, "processes", []):
            process.kill()
        with contextlib.suppress(Exception):
            vector.close(terminate=True)
        vector.closed = True  # or it is tried again, with a traceback, when it is collected

    def _restart_environment(self, failure: EnvironmentFailure) -> None:
        """Makes the environment anew, as often as it is allowed.

        Raises:
          EnvironmentFailure: it may not be restarted any more.
        """
        if not self._restarts_left:
            raise failure
        self._restarts_left -= 1
        print(
            f"\n{failure} It is made anew ({self._restarts_left} times more).",
            file=sys.stderr,
            flush=True,
        )
        self._cut_episodes()
        with contextlib.suppress(Exception):  # what has failed may fail to close
            close(self.environment)
        self._environment = DopamineEnvironment(self._call(self._create_environment_fn))
        self._close_vector()
        self._call(self._make_vector)

    def _write_statistics(self, iteration: int, data: dict[str, list[float]]) -> None:
        """Dopamine's statistics of an iteration, for phases that had an episode."""
        found = []
        for mode in _PHASES:
            returns = self._phases[mode]["returns"]
            if returns:
                found += [
                    (f"{mode.title()}/NumEpisodes", len(returns)),
                    (f"{mode.title()}/AverageReturns", float(np.mean(returns))),
                ]
        found.append(("Train/AverageStepsPerSecond", data["train_average_steps_per_second"][0]))
        self._collector_dispatcher.write(
            [StatisticsInstance(name, value, iteration) for name, value in found]
        )

    def _look_at_the_model(self, iteration: int) -> None:
        """Histograms and an open-loop prediction; changes nothing."""
        inspect = getattr(self._agent, "inspect", None)
        if inspect is None or not self._dream_every or (iteration + 1) % self._dream_every:
            return
        found = inspect(self._dream_length, self._dream_context, iteration)
        if found is None:
            return
        step = self._agent.agent_steps
        statistics = [
            StatisticsInstance(f"Histogram/{name}", values, step, "histogram")
            for name, values in found.distributions.items()
        ]
        for name, errors in found.dream.errors().items():
            seen, dreamt = np.split(errors, [found.dream.context])
            statistics += [
                StatisticsInstance(f"Dream/{name}_error_seen", float(seen.mean()), step),
                StatisticsInstance(f"Dream/{name}_error_dreamt", float(dreamt.mean()), step),
            ]
        frames = drawing.frames(found.dream)
        statistics.append(StatisticsInstance("Dream/video", frames, step, "video"))
        os.makedirs(os.path.join(self._base_dir, "dreams"), exist_ok=True)
        name = f"iteration-{iteration:06d}.gif"
        gif.write_gif(os.path.join(self._base_dir, "dreams", name), frames)
        self._collector_dispatcher.write(statistics, ("tensorboard", "json_lines"))

    def _run_train_phase(self, statistics: Any) -> tuple[int, float, float]:
        episodes, average, _ = super()._run_train_phase(statistics)
        phase = self._phases["train"]  # may have begun before an interruption
        rate = phase["steps"] / max(phase["seconds"], 1e-9)
        statistics.data_lists["train_average_steps_per_second"] = [rate]
        return episodes, average, rate

    def _run_one_phase(
        self, min_steps: int, statistics: Any, run_mode_str: str
    ) -> tuple[int, float, int]:
        phase = self._phases[run_mode_str]
        self._phase = phase
        for length, episode_return in zip(phase["lengths"], phase["returns"], strict=True):
            self._append_episode(statistics, run_mode_str, length, episode_return)
        began = (time.perf_counter(), self._agent.updates, phase["steps"])
        self._bar = PhaseBar(
            f"{run_mode_str} {self._iteration + 1}/{self._num_iterations}",
            phase["steps"],
            min_steps,
            self._progress_bar and self._fine_grained_print_to_console,
            lambda steps: self._postfix(run_mode_str, steps, began),
        )
        try:
            for length, episode_return in self._episodes(run_mode_str, min_steps):
                phase["lengths"].append(length)
                phase["returns"].append(episode_return)
                self._append_episode(statistics, run_mode_str, length, episode_return)
        finally:
            self._bar.close()
        return phase["steps"], sum(phase["returns"]), len(phase["returns"])

    def _episodes(self, mode: str, min_steps: int) -> Iterator[tuple[int, float]]:
        """Length and return of each episode of a phase, as they end."""
        phase = self._phase

        def wanted() -> bool:
            # A phase without a whole episode has no return, also after an interruption.
            return phase["steps"] < min_steps or bool(min_steps and not phase["returns"])

        while wanted():
            seeds = self._phase_seeds(mode)
            try:
                if self._vector is None:
                    self._environment.seed(seeds[0])
                    while wanted():
                        yield self._run_one_episode()
                else:
                    rollout = VectorRollout(
                        self._vector, self._agent, self._max_steps_per_episode, self._clip_rewards
                    )
                    yield from self._timed(rollout.episodes(seeds, wanted, self._call, self._count))
            except EnvironmentFailure as failure:
                self._restart_environment(failure)

    def _timed(self, episodes: Iterator[tuple[int, float]]) -> Iterator[tuple[int, float]]:
        """Adds the time between two episodes to the time of the phase."""
        started = time.perf_counter()
        try:
            yield from episodes
        finally:
            self._phase["seconds"] += time.perf_counter() - started

    @staticmethod
    def _append_episode(statistics: Any, mode: str, length: int, episode_return: float) -> None:
        statistics.append(
            {f"{mode}_episode_lengths": length, f"{mode}_episode_returns": episode_return}
        )

    def _phase_seeds(self, mode: str) -> list[int]:
        """One seed for each environment."""
        entropy = [self.seed, self._iteration, _PHASES.index(mode), self._interruptions]
        words = np.random.SeedSequence(entropy).generate_state(self.num_environments)
        return [int(word >> 1) for word in words]

    def _call(self, function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        """Calls a function of the environment; all that fails there is told apart from our own."""
        if self._stop.requested:
            raise Interrupted
        started = time.perf_counter()
        try:
            return function(*arguments, **settings)
        except Exception as error:
            if self._stop.requested:  # the signal has reached the environment too
                raise Interrupted from error
            raise EnvironmentFailure(
                f"{self.environment.name} failed at agent step {self._agent.agent_steps + 1:,} "
                f"({type(error).__name__}: {error}); all steps before it are saved in "
                f"{self._base_dir}."
            ) from error
        finally:
            self.seconds_in_environment += time.perf_counter() - started

    def _count(self, steps: int) -> None:
        self._phase["steps"] += steps
        self._bar.update(steps)

    def _initialize_episode(self) -> Any:
        return self._agent.begin_episode(self._call(self._environment.reset))

    def _run_one_step(self, action: Any) -> tuple[Any, float, bool]:
        observation, reward, is_terminal = self._call(super()._run_one_step, action)
        self._last_observation = observation
        self._count(1)
        return observation, reward, is_terminal

    def _run_one_episode(self) -> tuple[int, float]:
        started = time.perf_counter()
        try:
            length, episode_return = super()._run_one_episode()
        finally:
            self._phase["seconds"] += time.perf_counter() - started
        return length, float(episode_return)

    def _end_episode(self, reward: float, terminal: bool = True) -> None:
        if getattr(self._agent, "takes_last_observation", False):
            self._agent.end_episode(reward, terminal, self._last_observation)
        else:
            super()._end_episode(reward, terminal)

    def _add_scores(self, iteration: int) -> None:
        gin_hash = gin_files.fingerprint(gin_files.bindings())
        for mode in _PHASES:
            returns = self._phases[mode]["returns"]
            if returns:
                score = score_files.Score(
                    iteration=iteration,
                    value=float(np.mean(returns)),
                    agent=self.agent_name,
                    phase=mode,
                    game=self.environment.name,
                    seed=self.seed,
                    frames=self._agent.agent_steps * self.environment.frames_per_step,
                    episodes=len(returns),
                    protocol=protocol_label(self.environment, self._max_steps_per_episode),
                    gin_hash=gin_hash,
                )
                self.scores.append(score)
        score_files.write(os.path.join(self._base_dir, score_files.FILE), self.scores)
        faults.point("scores_written")
        self._collector_dispatcher.write(
            [
                StatisticsInstance(
                    "Train/SecondsInEnvironment", self.seconds_in_environment, iteration
                )
            ],
            collector_allowlist=("tensorboard", "json_lines"),
        )

    def _postfix(self, mode: str, steps: int, began: tuple[float, int, int]) -> str:
        seconds = max(time.perf_counter() - began[0], 1e-9)
        parts = [f"{(steps - began[2]) * self.environment.frames_per_step / seconds:.0f} frames/s"]
        if mode == "train":
            parts.append(f"{(self._agent.updates - began[1]) / seconds:.2f} updates/s")
        returns = self._phase["returns"]
        parts.append(f"return {returns[-1]:g}" if returns else "return -")
        if mode == "train":
            names = {"image_error": "image", "reward_loss": "reward"}
            names |= {"discount_loss": "discount", "kl": "kl"}
            for name, label in names.items():
                if name in self._agent.metrics:
                    parts.append(f"{label} {self._agent.metrics[name]:.4g}")
        return ", ".join(parts)


def _no_progress() -> dict[str, dict[str, Any]]:
    return {mode: {"steps": 0, "seconds": 0.0, "lengths": [], "returns": []} for mode in _PHASES}
