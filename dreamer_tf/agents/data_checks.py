"""Looks at the data of a run: what a model can hardly learn from is named once."""

import sys
from collections.abc import Iterator

import numpy as np

from dreamer_tf.replay.episode_replay import EpisodeReplay, Sequences
from dreamer_tf.world_model.world_model import WorldModel

# An image whose values differ by less than an eighth of 255 is worth few nats of the image loss.
_NARROW = 32
_SATURATED = 3.0  # tanh(3) is 0.995
_LARGE_REWARD = 100.0
_LARGE_NUMBER = 1000.0


class DataNotes:
    """Prints on standard error, once each, what a run will hardly learn from."""

    def __init__(self, world_model: WorldModel):
        """Has said nothing yet.

        Args:
          world_model: learns from the data.
        """
        self._world_model = world_model
        self._said: set[str] = set()

    def look_at_the_first(self, batch: Sequences, updates: int) -> None:
        """Looks at the first batch of a run; with updates before it, it is not the first."""
        if not updates and "batch" not in self._said:
            self._said.add("batch")
            for note in notes(batch, self._world_model.reward_transform):
                self._say(note)

    def look_at_the_end(self, is_terminal: bool) -> None:
        """Looks at a step: whether the model can know that the environment terminated there."""
        if is_terminal and not self._world_model.predict_discount:
            self._say(
                "an episode has terminated, but WorldModel.predict_discount is False, so values "
                "go on behind the end: set it to True"
            )

    def can_sample(self, replay: EpisodeReplay) -> bool:
        """Whether there is a batch for an update that is due."""
        found = replay.can_sample()
        if not found:
            self._say(
                "an update is due, but no stored episode is long enough to sample from, so nothing "
                "is learned yet: if it stays so, lower EpisodeReplay.sequence_length, or "
                "ReleasedSampling.minimum_length where it is used"
            )
        return found

    def _say(self, note: str) -> None:
        if note not in self._said:
            self._said.add(note)
            print(f"\nNote: {note}.", file=sys.stderr, flush=True)


def notes(batch: Sequences, reward_transform: str) -> list[str]:
    """One sentence for everything in a batch that training will hardly see.

    Args:
      batch: the first one that training learns from.
      reward_transform: `WorldModel.reward_transform`.
    """
    found = list(_about_rewards(batch.reward, reward_transform))
    for key, value in batch.observation.items():
        found += _about_bytes(key, value) if value.dtype == np.uint8 else _about_numbers(key, value)
    return found


def _about_rewards(reward: np.ndarray, transform: str) -> Iterator[str]:
    size = np.abs(reward)
    # Rare large rewards are common in games, and the paper squashes them on purpose. Where nearly
    # every step has one, nothing is left to tell apart.
    if transform == "tanh" and np.mean(size > _SATURATED) > 0.5:
        yield (
            f"most rewards are as large as {size.max():,.0f}, and tanh makes all of them 1 or -1: "
            "set WorldModel.reward_transform = 'identity' and scale the rewards to about 1 in the "
            "environment, for example with gymnasium.wrappers.TransformReward"
        )
    if transform == "identity" and size.max() > _LARGE_REWARD:
        yield (
            f"rewards are as large as {size.max():,.0f}, and their loss will drown the others: "
            "scale them to about 1 in the environment, for example with "
            "gymnasium.wrappers.TransformReward, or set WorldModel.reward_transform = 'tanh'"
        )


def _about_bytes(key: str, value: np.ndarray) -> Iterator[str]:
    low, high = int(value.min()), int(value.max())
    if low < high and high - low < _NARROW:
        yield (
            f"the observation '{key}' only has values from {low} to {high} of 0 to 255, and the "
            "model will hardly see them: for symbols set create_gym_environment.one_hot, as in "
            f"{{'{key}': (11, 6, 3)}} for three channels with so many symbols; for quantities set "
            f"create_gym_environment.scale = {{'{key}': {high}}}"
        )


def _about_numbers(key: str, value: np.ndarray) -> Iterator[str]:
    largest = float(np.abs(value).max())
    if largest > _LARGE_NUMBER:
        yield (
            f"the observation '{key}' has numbers as large as {largest:,.0f}, and their loss will "
            f"drown the others: set create_gym_environment.scale = {{'{key}': {largest:.0e}}}, or "
            "scale them to about 1 in the environment, for example with "
            "gymnasium.wrappers.NormalizeObservation"
        )
