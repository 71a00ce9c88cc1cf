"""What a run reports: Dopamine's statistics, score files, looks at the world model, progress."""

import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import gin
import numpy as np

from dreamer_tf.agents.dopamine_compat import StatisticsInstance, collector_names
from dreamer_tf.agents.metrics import DETAILED, AllBut
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.environments.interface import Environment, protocol_label
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import episodes, gin_files
from dreamer_tf.experiment.phases import PHASES, Phase
from dreamer_tf.experiment.session import Session
from dreamer_tf.networks.workers import Workers
from dreamer_tf.open_loop import drawing, gif
from dreamer_tf.open_loop.prediction import Inspection
from dreamer_tf.scores import score_files
from dreamer_tf.storage import faults
from dreamer_tf.storage.files import create, make_directory
from dreamer_tf.version import NUMERICS

_LOGGED = 1_000_000  # numbers of Dopamine's legacy logger that a checkpoint keeps


def recent_logs(logs: Mapping[str, Mapping[str, list[float]]]) -> dict[str, Any]:
    """What Dopamine's legacy logger has of the newest iterations, as much as a checkpoint can hold.

    It remembers the length and the return of every episode. After millions of short ones a
    checkpoint would be too large to be read.

    Args:
      logs: by iteration, in their order.
    """
    kept: dict[str, Any] = {}
    count = 0
    for name in reversed(list(logs)):
        count += sum(map(len, logs[name].values()))
        if kept and count > _LOGGED:
            break
        kept[name] = logs[name]
    return dict(reversed(kept.items()))


class DreamSettings(NamedTuple):
    """How often the world model is looked at, and how."""

    every: int  # iterations; 0 for never
    length: int  # agent steps of a prediction, the context included
    context: int  # observations that the model sees first

    def check(self) -> "DreamSettings":
        """Checks the numbers.

        Returns:
          The same settings.

        Raises:
          UserError: the prediction would be empty, or have no context.
        """
        if self.every and not 0 < self.context < self.length:
            raise UserError(
                f"DreamerRunner.dream_context is {self.context}, but must be at least 1 and less "
                f"than DreamerRunner.dream_length ({self.length})."
            )
        return self


class Reporter:
    """Writes what a run measured into its base directory."""

    def __init__(
        self,
        base_dir: str,
        seed: int,
        dreams: DreamSettings,
        session: Session,
        workers: Workers | None = None,
    ):
        """Sets what is reported where.

        Args:
          base_dir: base directory of the run.
          seed: run seed, for the score file.
          dreams: when and how the world model is looked at.
          session: knows how long the run has taken.
          workers: of the run; by default this process alone. Of several, the chief reports.
        """
        self._workers = workers or Workers()
        self._is_chief = self._workers.index == 0
        self._base_dir = base_dir
        self._seed = seed
        self._dreams = dreams
        self._session = session
        self._episodes = episodes.EpisodeLog(base_dir)
        self.scores: list[score_files.Score] = []

    def begin(self, dispatcher: Any, agent_steps: int) -> None:
        """Writes the configuration, for collectors that show it.

        Args:
          dispatcher: Dopamine's CollectorDispatcher.
          agent_steps: agent steps so far.
        """
        found = gin_files.bindings()
        text = gin.operative_config_str(max_line_length=120)
        dispatcher.write(
            [
                StatisticsInstance("configuration", text, agent_steps, "text"),
                StatisticsInstance("configuration", found, agent_steps, "configuration"),
            ]
        )

    def write_episode(
        self, dispatcher: Any, mode: str, phase: Phase, agent: Agent, environment: Environment
    ) -> None:
        """Writes the last episode of a phase as a row of `episodes.jsonl`, and to collectors.

        Args:
          dispatcher: Dopamine's CollectorDispatcher.
          mode: 'train' or 'eval'.
          phase: its progress.
          agent: gives agent steps and updates.
          environment: gives frames per step.
        """
        if not self._is_chief:
            return
        steps = agent.agent_steps
        episode = episodes.Episode(
            phase=mode,
            step=steps,
            frames=steps * environment.frames_per_step,
            updates=agent.finished_updates,  # the same in every run of this seed
            value=phase["returns"][-1],
            length=phase["lengths"][-1],
            seconds=round(self._session.seconds, 3),
            info=(phase.get("infos") or [{}])[-1],
        )
        self._episodes.write(episode)
        found = [
            StatisticsInstance(f"{mode.title()}/EpisodeReturn", episode.value, steps),
            StatisticsInstance(f"{mode.title()}/EpisodeLength", episode.length, steps),
        ]
        # Not to the JSON lines, because the row has all of it.
        dispatcher.write(found, AllBut("console", "pickle", "json_lines"))

    def write_statistics(
        self,
        dispatcher: Any,
        iteration: int,
        phases: Mapping[str, Phase],
        agent_steps: int,
        rate: float,
        seconds: float,
    ) -> None:
        """Writes Dopamine's statistics of an iteration, for phases that had an episode.

        Args:
          dispatcher: Dopamine's CollectorDispatcher.
          iteration: its number.
          phases: by mode.
          agent_steps: agent steps at its end.
          rate: agent steps per second of training.
          seconds: time that the process has spent in environments.
        """
        found: list[tuple[str, float]] = []
        for mode in PHASES:
            returns = phases[mode]["returns"]
            if returns:
                found += [
                    (f"{mode.title()}/NumEpisodes", len(returns)),
                    (f"{mode.title()}/AverageReturns", float(np.mean(returns))),
                ]
            infos = phases[mode].get("infos", [])
            for name in dict.fromkeys(name for info in infos for name in info):
                mean = float(np.mean([info[name] for info in infos if name in info]))
                found.append((f"{mode.title()}/Info_{name}", mean))
        found.append(("Train/AverageStepsPerSecond", rate))
        # Dopamine's console says "[Iteration <step>]".
        console, others = ("console",), set(collector_names(dispatcher)) - {"console"}
        dispatcher.write([StatisticsInstance(*item, iteration) for item in found], console)
        if others:  # an empty list would mean all
            named = [StatisticsInstance(*item, agent_steps) for item in found]
            dispatcher.write(named, tuple(others))
        time_spent = StatisticsInstance("Train/SecondsInEnvironment", seconds, agent_steps)
        dispatcher.write([time_spent], DETAILED)

    def write_scores(
        self,
        iteration: int,
        phases: Mapping[str, Phase],
        agent: Agent,
        environment: Environment,
        max_steps: int,
    ) -> None:
        """Adds an iteration to the score file.

        Args:
          iteration: its number.
          phases: by mode.
          agent: gives label and agent steps.
          environment: gives game, protocol and frames per step.
          max_steps: `Runner.max_steps_per_episode`, agent steps.
        """
        if not self._is_chief:
            return
        gin_hash = gin_files.fingerprint(gin_files.bindings())
        for mode in PHASES:
            returns = phases[mode]["returns"]
            if not returns:
                continue
            score = score_files.Score(
                iteration=iteration,
                value=float(np.mean(returns)),
                agent=agent.label,
                phase=mode,
                game=environment.name,
                seed=self._seed,
                frames=agent.agent_steps * environment.frames_per_step,
                episodes=len(returns),
                protocol=protocol_label(environment, max_steps),
                gin_hash=gin_hash,
                numerics=NUMERICS,
                workers=self._workers.count,
            )
            self.scores.append(score)
        # The whole file, because scores after the last checkpoint of a killed run must disappear.
        score_files.write(os.path.join(self._base_dir, score_files.FILE), self.scores)
        faults.point("scores_written")

    def look_at_the_model(self, dispatcher: Any, iteration: int, agent: Agent) -> None:
        """Writes histograms and an open-loop prediction, every few iterations. Changes nothing."""
        if not self._dreams.every or (iteration + 1) % self._dreams.every:
            return
        found = agent.inspect(self._dreams.length, self._dreams.context, iteration)
        if found is None:
            return
        frames = drawing.frames(found.dream)
        statistics = _model_statistics(found, agent.agent_steps)
        statistics.append(StatisticsInstance("Dream/video", frames, agent.agent_steps, "video"))
        directory = os.path.join(self._base_dir, "dreams")
        make_directory(directory)
        path = os.path.join(directory, f"iteration-{iteration:06d}.gif")
        with create(path, below=self._base_dir) as file:
            file.write(gif.encode_gif(frames))
        # Not to the console: a video is no line of text.
        dispatcher.write(statistics, DETAILED)


def _model_statistics(found: Inspection, step: int) -> list[StatisticsInstance]:
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
    return statistics


def add_episodes(statistics: Any, mode: str, phase: Phase) -> None:
    """Adds the episodes of a phase to Dopamine's statistics.

    Args:
      statistics: Dopamine's IterationStatistics.
      mode: 'train' or 'eval'.
      phase: is over; it may have begun before an interruption.
    """
    for length, episode_return in zip(phase["lengths"], phase["returns"], strict=True):
        statistics.append(
            {f"{mode}_episode_lengths": length, f"{mode}_episode_returns": episode_return}
        )


class ProgressText:
    """The text behind the progress bar of a phase: speed, last return, losses."""

    _LOSSES = {
        "image_error": "image",
        "reward_loss": "reward",
        "discount_loss": "discount",
        "kl": "kl",
    }

    def __init__(self, mode: str, phase: Phase, agent: Agent, frames_per_step: int):
        """Starts the clock.

        Args:
          mode: 'train' or 'eval'.
          phase: its progress; may have begun before an interruption.
          agent: gives updates and losses.
          frames_per_step: frames in an agent step.
        """
        self._mode = mode
        self._phase = phase
        self._agent = agent
        self._frames_per_step = frames_per_step
        self._started = time.perf_counter()
        # Rates count from here, not from the start of a phase that another process began.
        self._updates = agent.updates
        self._steps = phase["steps"]

    def __call__(self, steps: int) -> str:
        """The text after so many agent steps of the phase."""
        seconds = max(time.perf_counter() - self._started, 1e-9)
        frames = (steps - self._steps) * self._frames_per_step
        parts = [f"{frames / seconds:.0f} frames/s"]
        training = self._mode == "train"
        if training:
            parts.append(f"{(self._agent.updates - self._updates) / seconds:.2f} updates/s")
        returns = self._phase["returns"]
        parts.append(f"return {returns[-1]:g}" if returns else "return -")
        if training:
            metrics = self._agent.metrics
            parts += [
                f"{label} {metrics[name]:.4g}"
                for name, label in self._LOSSES.items()
                if name in metrics
            ]
        return ", ".join(parts)
