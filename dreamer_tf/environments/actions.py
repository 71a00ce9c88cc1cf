"""Actions of any Gymnasium space as the agent chooses them, and back.

Discrete                                  Discrete from 0
Box                                       Box in [-1, 1]
MultiDiscrete, MultiBinary, Dict, Tuple   FactoredActions: independent parts
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.environments.factored import FactoredActions, mask_size
from dreamer_tf.environments.interface import scale_action
from dreamer_tf.errors import UserError

spaces = gymnasium.spaces


class Actions:
    """Translates actions between an agent and an environment.

    Attributes:
      space: what the agent chooses from.
    """

    def __init__(self, space: gymnasium.Space, name: str):
        """Reads the space.

        Args:
          space: of the environment.
          name: of the environment, for messages.

        Raises:
          UserError: it has a part that is not supported.
        """
        self._declared = space
        self.space: gymnasium.Space
        if isinstance(space, spaces.Discrete):
            self.space = spaces.Discrete(int(space.n))
        elif isinstance(space, spaces.Box):
            _check_box(space, name)
            self.space = spaces.Box(-1.0, 1.0, space.shape, np.float32)
        else:
            leaves = list(_leaves(space, name))
            sizes = [int(size) for leaf in leaves for size in _sizes(leaf)]
            numbers = sum(math.prod(leaf.shape) for leaf in leaves if isinstance(leaf, spaces.Box))
            self.space = FactoredActions(sizes, numbers)

    def to_environment(self, action: Any) -> Any:
        """The agent's action as the environment takes it."""
        space = self._declared
        if isinstance(space, spaces.Discrete):
            # The agent counts actions from 0, a Discrete space may start elsewhere.
            return int(action) + int(space.start)
        if isinstance(space, spaces.Box):
            return to_box(space, action)
        assert isinstance(self.space, FactoredActions)  # there is nothing else
        count = len(self.space.choices)
        return _build(space, list(np.rint(action[:count]).astype(int)), list(action[count:]))

    def mask(self, mask: Any) -> np.ndarray:
        """A mask of the environment as one vector of bool, True where an action is allowed.

        Args:
          mask: an array, or arrays in tuples and dicts, as Gymnasium's spaces take them.

        Raises:
          ValueError: it does not fit the actions.
        """
        parts = [np.ravel(part) for part in _arrays(mask, self._declared)]
        flat = np.concatenate(parts or [np.zeros(0)]).astype(bool)
        size = mask_size(self.space)
        if flat.shape != (size,):
            raise ValueError(f"the action mask has {flat.size} entries, but there are {size}")
        return flat


def to_box(box: spaces.Box, action: np.ndarray) -> np.ndarray:
    """Scales from [-1, 1] to the bounds of a Box."""
    scaled = scale_action(action, box.low.astype(np.float64), box.high.astype(np.float64))
    if np.dtype(box.dtype).kind in "iu":
        scaled = np.rint(scaled)
    # Converting the dtype may round a number beyond the bounds.
    return np.clip(scaled.astype(box.dtype), box.low, box.high)


def _check_box(space: spaces.Box, name: str) -> None:
    if not np.isfinite([space.low, space.high]).all():
        raise UserError(
            f"{name}: the actions have no finite bounds; give them some with "
            "gymnasium.wrappers.TransformAction(environment, lambda action: action, "
            f"gymnasium.spaces.Box(-1.0, 1.0, {space.shape}))."
        )


def _leaves(space: gymnasium.Space, name: str) -> Any:
    """The simple spaces of a nested one, in order."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for part in _parts(space):
            yield from _leaves(part, name)
        return
    if isinstance(space, spaces.Box):
        _check_box(space, name)
    elif not isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise UserError(
            f"{name}: the actions have a {type(space).__name__}, but only Discrete, "
            "MultiDiscrete, MultiBinary, Box and a Dict or Tuple of these are supported; use a "
            "gymnasium.ActionWrapper that makes one of them."
        )
    yield space


def _parts(space: Any) -> Sequence[gymnasium.Space]:
    return list(space.spaces.values()) if isinstance(space, spaces.Dict) else list(space.spaces)


def _sizes(space: gymnasium.Space) -> Sequence[int]:
    """How many values each choice of a simple space has."""
    if isinstance(space, spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, spaces.MultiDiscrete):
        return list(np.ravel(space.nvec))
    return [2] * math.prod(space.shape) if isinstance(space, spaces.MultiBinary) else []


def _build(space: gymnasium.Space, chosen: list[int], numbers: list[float]) -> Any:
    """Takes what a space needs from the front of both lists."""
    if isinstance(space, spaces.Dict):
        return {key: _build(part, chosen, numbers) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_build(part, chosen, numbers) for part in space.spaces)
    if isinstance(space, spaces.Discrete):
        return int(chosen.pop(0)) + int(space.start)
    assert isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary)
    count = math.prod(space.shape)
    if isinstance(space, spaces.Box):
        taken, numbers[:count] = numbers[:count], []
        return to_box(space, np.array(taken, np.float64).reshape(space.shape))
    picked, chosen[:count] = np.array(chosen[:count], space.dtype).reshape(space.shape), []
    return picked + space.start if isinstance(space, spaces.MultiDiscrete) else picked


def _mask_parts(mask: Any, space: spaces.Dict | spaces.Tuple) -> list[tuple[Any, gymnasium.Space]]:
    """The parts of a mask beside those of the space. Numbers have none, or None as in Gymnasium."""
    if isinstance(space, spaces.Dict):
        known = dict(space.spaces)
        if not isinstance(mask, Mapping) or not set(mask) <= set(known):
            names = sorted(map(str, mask)) if isinstance(mask, Mapping) else type(mask).__name__
            raise ValueError(
                f"the action mask has {names}, but the actions are named {sorted(known)}"
            )
        return [(mask[key], part) for key, part in known.items() if key in mask]
    parts = list(space.spaces)
    chosen = [part for part in parts if any(map(_sizes, _leaves(part, "")))]
    beside = parts if len(mask) == len(parts) else chosen
    if len(mask) != len(beside):
        raise ValueError(f"the action mask has {len(mask)} parts, but the actions {len(parts)}")
    return list(zip(mask, beside, strict=True))


def _arrays(mask: Any, space: gymnasium.Space | None) -> list[Any]:
    """The arrays of a mask, in the order of the space: that of its keys may be another one."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return [found for part, inner in _mask_parts(mask, space) for found in _arrays(part, inner)]
    if isinstance(space, spaces.Box):
        return []  # numbers have no mask; Gymnasium has None there
    # Each choice of a MultiDiscrete has an array of its own.
    if isinstance(mask, tuple | list) and any(np.ndim(part) for part in mask):
        return [found for part in mask for found in _arrays(part, None)]
    return [np.asarray(mask)]
