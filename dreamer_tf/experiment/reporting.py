"""What a run reports: Dopamine's statistics, score files, looks at the world model, progress."""

import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.agents.dopamine_compat import StatisticsInstance
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.environments.interface import Environment, protocol_label
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.experiment.phases import PHASES, Phase
from dreamer_tf.open_loop import drawing, gif
from dreamer_tf.open_loop.prediction import Inspection
from dreamer_tf.scores import score_files
from dreamer_tf.storage import faults
from dreamer_tf.storage.files import create, make_directory
from dreamer_tf.version import NUMERICS


class DreamSettings(NamedTuple):
    """How often the world model is looked at, and how."""

    every: int  # iterations; 0 for never
    length: int  # agent steps of a prediction, the context included
    context: int  # observations that the model sees first

    def check(self) -> None:
        """Checks the numbers.

        Raises:
          UserError: the prediction would be empty, or have no context.
        """
        if self.every and not 0 < self.context < self.length:
            raise UserError(
                f"DreamerRunner.dream_context is {self.context}, but must be at least 1 and less "
                f"than DreamerRunner.dream_length ({self.length})."
            )


class Reporter:
    """Writes what a run measured into its base directory."""

    def __init__(self, base_dir: str, seed: int, dreams: DreamSettings):
        """Sets what is reported where.

        Args:
          base_dir: base directory of the run.
          seed: run seed, for the score file.
          dreams: when and how the world model is looked at.
        """
        self._base_dir = base_dir
        self._seed = seed
        self._dreams = dreams
        self.scores: list[score_files.Score] = []

    def write_statistics(
        self, dispatcher: Any, iteration: int, phases: Mapping[str, Phase], rate: float
    ) -> None:
        """Writes Dopamine's statistics of an iteration, for phases that had an episode.

        Args:
          dispatcher: Dopamine's CollectorDispatcher.
          iteration: its number.
          phases: by mode.
          rate: agent steps per second of training.
        """
        found = []
        for mode in PHASES:
            returns = phases[mode]["returns"]
            if returns:
                found += [
                    (f"{mode.title()}/NumEpisodes", len(returns)),
                    (f"{mode.title()}/AverageReturns", float(np.mean(returns))),
                ]
        found.append(("Train/AverageStepsPerSecond", rate))
        dispatcher.write([StatisticsInstance(name, value, iteration) for name, value in found])

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
            )
            self.scores.append(score)
        # The whole file, because scores after the last checkpoint of a killed run must disappear.
        score_files.write(os.path.join(self._base_dir, score_files.FILE), self.scores)
        faults.point("scores_written")

    def write_time(self, dispatcher: Any, iteration: int, seconds: float) -> None:
        """Writes the seconds that the process has spent in environments."""
        dispatcher.write(
            [StatisticsInstance("Train/SecondsInEnvironment", seconds, iteration)],
            collector_allowlist=("tensorboard", "json_lines"),
        )

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
        dispatcher.write(statistics, ("tensorboard", "json_lines"))


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
