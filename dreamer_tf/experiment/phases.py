"""The two phases of an iteration (Machado et al., 2018): what was done in each, and its seeds."""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np

PHASES = ("train", "eval")


class Ended(NamedTuple):
    """An episode that has ended."""

    length: int  # agent steps
    value: float  # return, unclipped
    info: tuple[float, ...] = ()  # what `Environment.episode_info` names


class _Counted(TypedDict):
    """What every checkpoint has."""

    steps: int  # agent steps, those of the running episode included
    seconds: float
    lengths: list[int]  # agent steps of each finished episode
    returns: list[float]  # return of each finished episode


class Phase(_Counted, total=False):
    """Progress of one phase. JSON-compatible, because checkpoints hold it."""

    infos: list[dict[str, float]]  # of each finished episode, where the environment names any


def no_progress() -> dict[str, Phase]:
    """The phases of an iteration that has not begun."""
    return {mode: Phase(steps=0, seconds=0.0, lengths=[], returns=[]) for mode in PHASES}


def add_episode(phase: Phase, ended: Ended, names: Sequence[str]) -> None:
    """Adds an episode to the progress of its phase.

    Args:
      phase: the progress.
      ended: the episode.
      names: of the numbers in its `info`.
    """
    phase["lengths"].append(ended.length)
    phase["returns"].append(float(ended.value))
    if ended.info:
        phase.setdefault("infos", []).append(dict(zip(names, ended.info, strict=True)))


def unfinished(phase: Phase, steps: int, episodes: int | None) -> bool:
    """Whether a phase needs another episode.

    Args:
      phase: its progress.
      steps: agent steps that it needs at least.
      episodes: whole episodes that it needs instead; None to count agent steps.
    """
    if episodes is not None:
        return len(phase["returns"]) < episodes
    # A phase without a whole episode has no return, also after an interruption.
    return phase["steps"] < steps or bool(steps and not phase["returns"])


def phase_seeds(
    seed: int, iteration: int, mode: str, interruptions: int, count: int
) -> Sequence[int]:
    """Seeds of the environments in one phase.

    Every phase is seeded anew, so an evaluation never depends on how long the training was. After
    an interruption the rest of a phase must not repeat its first episodes.

    Args:
      seed: run seed.
      iteration: number of the iteration.
      mode: 'train' or 'eval'.
      interruptions: how often episodes of the run were cut.
      count: number of environments.

    Returns:
      One 31-bit seed for each environment.
    """
    entropy = [seed, iteration, PHASES.index(mode), interruptions]
    words = np.random.SeedSequence(entropy).generate_state(count)
    # Gymnasium and ALE take 31 bits.
    return [int(word >> 1) for word in words]
