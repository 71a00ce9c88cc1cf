"""Heads and losses from outside, beside those of eq. 2."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.factored import ACTION_MASK
from dreamer_tf.environments.spaces import RESERVED_NAMES
from dreamer_tf.errors import UserError
from dreamer_tf.networks import layers
from dreamer_tf.networks.distributions import tfd
from dreamer_tf.networks.module import Module
from dreamer_tf.networks.parts import HeadPart, make_part
from dreamer_tf.networks.shapes import check_shape

# Names of losses that there are already. A head may stand in for 'reward', a loss for 'kl'.
_TAKEN = (*RESERVED_NAMES, ACTION_MASK)


class Additions(Module):
    """What `WorldModel.heads` and `WorldModel.losses` name."""

    def __init__(
        self,
        heads: Mapping[str, Callable[..., HeadPart]] | None,
        losses: Mapping[str, Callable[..., tf.Tensor]] | None,
        features: int,
        observation_space: gymnasium.spaces.Dict,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
    ):
        """Makes the heads.

        Args:
          heads: make a `HeadPart` each, by name.
          losses: functions `(model, data, outputs) -> scalar`, by name.
          features: F.
          observation_space: observations by name.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.

        Raises:
          UserError: a name is taken, or a head lacks a member.
        """
        super().__init__(precision)
        heads, self.losses = dict(heads or {}), dict(losses or {})
        observed = set(observation_space.spaces)
        _check_names("heads", heads, observed | set(_TAKEN) - {"reward"})
        _check_names("losses", self.losses, observed | {*_TAKEN, *heads} - {"kl"})
        self.heads = {
            name: make_part(
                f"WorldModel.heads['{name}']",
                make,
                HeadPart,
                features,
                observation_space,
                rng=rng,
                precision=precision,
            )
            for name, make in heads.items()
        }

    def predictions(
        self, features: tf.Tensor, blocked: Iterable[str]
    ) -> dict[str, tfd.Distribution]:
        """What the heads predict for features [B, T, F], by name.

        Args:
          features: of the world model.
          blocked: heads that must not send gradients into the features.
        """
        found = {}
        for name, head in self.heads.items():
            shapes = head.shapes_features and name not in blocked
            found[name] = head.distribution(features if shapes else tf.stop_gradient(features))
        return found

    def targets(self, batch: Any, data: Any) -> dict[str, tf.Tensor]:
        """What the heads should predict, by name; arguments as for `HeadPart.target`."""
        return {name: head.target(batch, data) for name, head in self.heads.items()}

    def values(self, model: Any, data: Any, outputs: Any) -> dict[str, tf.Tensor]:
        """The losses, scalars by name.

        Args:
          model: the world model.
          data: `Batch` [B, T, ...], preprocessed.
          outputs: `WorldModelOutputs`.

        Raises:
          ValueError: a loss is no scalar.
        """
        found = {name: loss(model, data, outputs) for name, loss in self.losses.items()}
        for name, value in found.items():
            check_shape(f"WorldModel.losses['{name}']", value, (), "a scalar")
        return found


def _check_names(parameter: str, names: Iterable[str], taken: set[str]) -> None:
    """Two losses of one name would hide each other."""
    for name in names:
        if name in taken:
            raise UserError(
                f"WorldModel.{parameter} has the name '{name}', which another loss or an "
                "observation has: choose another name."
            )
