"""What a finished run leaves to look at: a video of its policy, and a dream beside it."""

import os
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.environments.interface import Environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import dreaming
from dreamer_tf.experiment.gin_files import parameter
from dreamer_tf.open_loop import drawing, gif
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import NonNegativeInt
from dreamer_tf.storage.files import make_directory, replacing

DIRECTORY = "videos"
_DREAM = (5, 45)  # observations that the model sees, and agent steps that it predicts


class Recordable(Protocol):
    """The parts of a `Policy` that a recording needs."""

    agent: Agent
    environment: Environment

    def run_episode(
        self, seed: int | None, frames: list[np.ndarray] | None, max_frames: int
    ) -> tuple[float, int]:
        """Runs one whole episode."""


def wanted() -> bool:
    """Whether the gin configuration asks for recordings."""
    return bool(parameter("record_policy.video_length", 0))


@configurable(denylist=["policy", "base_dir", "seed"])
def record_policy(
    policy: Recordable, base_dir: str | os.PathLike, seed: int, video_length: NonNegativeInt = 0
) -> list[str]:
    """Writes `videos/policy.gif`, a game of the policy, and `videos/dream.gif`.

    The run is complete, so what cannot be recorded ends nothing: the lines say why.

    Args:
      policy: of the run's newest checkpoint.
      base_dir: base directory of the run.
      seed: of the environment.
      video_length: the longest video, in agent steps; 0 to record nothing.

    Returns:
      Lines for people: where the recordings are.
    """
    if not video_length:
        return []
    makers: list[tuple[str, str, Callable[[], Sequence[np.ndarray]]]] = []
    if policy.environment.records:
        makers.append(("video", "policy.gif", lambda: _episode(policy, seed, video_length)))
    agent = policy.agent
    if isinstance(agent, DreamerV2Agent):
        makers.append(("dream", "dream.gif", lambda: _dream(agent, policy.environment, seed)))
    lines = []
    for what, name, make in makers:
        path = os.path.join(base_dir, DIRECTORY, name)
        try:
            frames = make()
            make_directory(os.path.dirname(path))
            with replacing(path) as file:
                file.write(gif.encode_gif(frames))
            lines.append(f"{what:15} {shlex.quote(path)}")
        except (UserError, OSError) as error:
            lines.append(f"{what:15} none: {error}")
    return lines


def _episode(policy: Recordable, seed: int, length: int) -> list[np.ndarray]:
    frames: list[np.ndarray] = []
    policy.run_episode(seed, frames, length)
    return frames


def _dream(agent: DreamerV2Agent, environment: Environment, seed: int) -> Any:
    dream = dreaming.in_environment(agent, environment, *_DREAM, seed=seed)
    return drawing.frames(dream, scale=2)
