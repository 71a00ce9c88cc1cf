"""What the spaces of an environment must be, so that agents learn from all of them."""

from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.environments.factored import ACTION_MASK, FactoredActions, has_mask
from dreamer_tf.errors import UserError

spaces = gymnasium.spaces
# Observations give their names to losses and layers, and these names are taken.
RESERVED_NAMES = ("kl", "reward", "discount", "model", "actor", "critic", "linear")

_RANGE = (
    "but must have numbers from -1 to 1: map them to your range with "
    "dreamer_tf.environments.interface.scale_action"
)


def check_spaces(name: str, observation_space: Any, action_space: Any) -> None:
    """Refuses spaces of which an agent would ignore or misread a part.

    Args:
      name: of the environment, for messages.
      observation_space: must be a Dict of Boxes with 1 axis or 3, none with a reserved name.
      action_space: must be Discrete from 0, a Box in [-1, 1], or `FactoredActions`.

    Raises:
      UserError: they are something else.
    """
    if not isinstance(observation_space, spaces.Dict) or not observation_space.spaces:
        raise UserError(
            f"{name}: observation_space is {observation_space}, but must be a "
            "gymnasium.spaces.Dict with a Box for every observation."
        )
    for key, box in observation_space.spaces.items():
        wrong = _wrong_name(key) or _wrong_box(key, box)
        if wrong:
            raise UserError(f"{name}: the observation '{key}' {wrong}.")
    wrong = _wrong_actions(action_space)
    if wrong:
        raise UserError(f"{name}: action_space is {action_space}, {wrong}.")
    has_mask(observation_space, action_space)


def _wrong_name(key: Any) -> str | None:
    if key in RESERVED_NAMES:
        return "has the name of a loss or layer: rename it"
    if not isinstance(key, str) or not key or "/" in key:
        return "must be named by text without a slash: rename it"
    return None


def _wrong_box(key: str, box: gymnasium.Space) -> str | None:
    if not isinstance(box, spaces.Box):
        return f"is a {type(box).__name__}, but must be a Box"
    if len(box.shape) not in (1, 3) or 0 in box.shape:
        return (
            f"has the shape {box.shape}, but must be a vector [K] or an image [H, W, C]: "
            "give it 1 axis or 3"
        )
    if key == ACTION_MASK and box.dtype != bool:
        return (
            f"has the type {box.dtype}, but a mask must be bool: convert it, as "
            "create_gym_environment.action_mask does, or rename it"
        )
    return None


def _wrong_actions(space: Any) -> str | None:
    if isinstance(space, FactoredActions):
        return None
    if isinstance(space, spaces.Discrete):
        return None if space.start == 0 else "but must begin with 0: leave `start` out"
    if not isinstance(space, spaces.Box):
        return "but must be Discrete, a Box in [-1, 1], or FactoredActions"
    fits = (space.low == -1).all() and (space.high == 1).all()
    return None if fits and np.issubdtype(space.dtype, np.floating) else _RANGE
