"""Actions of several independent parts: choices, numbers or both."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.errors import UserError

ACTION_MASK = "action_mask"  # the observation that says which actions are allowed


class FactoredActions(gymnasium.spaces.Box):
    """Vectors of K chosen indices, then D numbers in [-1, 1], float32 [K + D].

    A Box, so replay and vector environments treat it like any other vector.

    Attributes:
      choices: how many values each choice has.
      numbers: D.
    """

    def __init__(self, choices: Sequence[int], numbers: int):
        """Creates the space.

        Args:
          choices: how many values each of the K choices has.
          numbers: D, continuous dimensions.
        """
        self.choices, self.numbers = tuple(int(size) for size in choices), int(numbers)
        low = [0.0] * len(self.choices) + [-1.0] * self.numbers
        high = [size - 1.0 for size in self.choices] + [1.0] * self.numbers
        super().__init__(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)

    def sample(self, mask: None = None, probability: None = None) -> np.ndarray:
        """A random action; choices are whole numbers."""
        return random_actions(self, self.np_random, 1)[0]

    def contains(self, x: Any) -> bool:
        """Whether it is an action of this space."""
        if not super().contains(x):
            return False
        indices = np.asarray(x)[: len(self.choices)]
        return bool((indices == np.round(indices)).all())

    def __repr__(self) -> str:
        """Sizes of the parts."""
        return f"FactoredActions(choices={self.choices}, numbers={self.numbers})"

    def __eq__(self, other: object) -> bool:
        """Whether the parts are the same."""
        return isinstance(other, FactoredActions) and (self.choices, self.numbers) == (
            other.choices,
            other.numbers,
        )

    __hash__ = None  # type: ignore[assignment] # as Box


def choices(space: gymnasium.Space) -> tuple[int, ...]:
    """Sizes of the choices of an agent's action space; empty for a Box."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return (int(space.n),)
    return space.choices if isinstance(space, FactoredActions) else ()


def is_discrete(space: gymnasium.Space) -> bool:
    """Whether actions are chosen and not numbers; also where only a part is chosen."""
    return bool(choices(space))


def mask_size(space: gymnasium.Space) -> int:
    """Entries of an action mask: one for each value of each choice."""
    return sum(choices(space))


def has_mask(observation_space: gymnasium.spaces.Dict, action_space: gymnasium.Space) -> bool:
    """Whether one of the observations says which actions are allowed.

    Raises:
      UserError: it does not fit the actions.
    """
    found = observation_space.spaces.get(ACTION_MASK)
    if found is None or found.dtype != bool:
        return False
    size = mask_size(action_space)
    if found.shape != (size,):
        raise UserError(
            f"The observation '{ACTION_MASK}' has shape {found.shape}, but there are {size} values "
            f"to choose from in {action_space}: return a mask of shape ({size},), or rename it."
        )
    return True


def random_actions(
    space: gymnasium.Space, rng: np.random.Generator, count: int, mask: np.ndarray | None = None
) -> np.ndarray:
    """Uniform random actions.

    Args:
      space: of the agent.
      rng: draws them.
      count: N, how many.
      mask: [N, entries] bool, which values of choices are allowed; where none is, all are.

    Returns:
      [N] int (Discrete), else [N, *shape] float32.
    """
    if not is_discrete(space):
        shape = (count, *(space.shape or ()))
        return rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    sizes = choices(space)
    masks = [None] * len(sizes) if mask is None else np.split(mask, np.cumsum(sizes)[:-1], 1)
    picked = [_pick(rng, *each, count) for each in zip(sizes, masks, strict=True)]
    if isinstance(space, gymnasium.spaces.Discrete):
        return picked[0]
    assert isinstance(space, FactoredActions)  # there is nothing else
    numbers = rng.uniform(-1.0, 1.0, (count, space.numbers))
    return np.concatenate([np.stack(picked, 1), numbers], axis=1).astype(np.float32)


def _pick(rng: np.random.Generator, size: int, mask: np.ndarray | None, count: int) -> np.ndarray:
    if mask is None:
        return rng.integers(size, size=count)
    scores = np.where(mask, rng.random((count, size)), -1.0)
    scores += 2.0 * ~mask.any(1, keepdims=True) * rng.random((count, size))
    return np.argmax(scores, axis=1)
