"""The actor: a distribution over actions for each model state (paper 2.2, Appendix A)."""

from collections.abc import Sequence

import gin
import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.factored import choices
from dreamer_tf.environments.interface import action_size
from dreamer_tf.networks import layers
from dreamer_tf.networks.distributions import (
    MaskedOneHot,
    StraightThroughOneHot,
    TruncatedNormal,
    tfd,
)
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import ActorPart
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveFloat

# exp(-1e9) is exactly 0, and log-probabilities and entropies stay finite.
_NEVER = -1e9


def masked(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Logits of which masked values are never sampled.

    Args:
      logits: [..., n] float32.
      mask: [..., n] bool, what may be chosen; where nothing may, everything may.

    Returns:
      [..., n] float32.
    """
    nothing = tf.logical_not(tf.reduce_any(mask, -1, keepdims=True))
    return tf.where(tf.logical_or(mask, nothing), logits, _NEVER)


def _one_hot(logits: tf.Tensor, mask: tf.Tensor | None) -> tfd.Distribution:
    if mask is None:
        return StraightThroughOneHot(logits=logits, dtype=tf.float32)
    return MaskedOneHot(logits=masked(logits, mask), dtype=tf.float32)


class FactoredPolicy:
    """Independent parts of an action as one distribution with event shape [A]."""

    def __init__(self, parts: Sequence[tfd.Distribution], sizes: Sequence[int]):
        """Stores the parts.

        Args:
          parts: distributions with batch shape [...].
          sizes: of their events; A in all.
        """
        self._parts, self._sizes = parts, sizes

    def sample(self, seed: tf.Tensor) -> tf.Tensor:
        """One action, [..., A]; `seed` is [2] int32, stateless."""
        seeds = tf.unstack(tf.random.split(seed, len(self._parts)))
        pairs = zip(self._parts, seeds, strict=True)
        return tf.concat([part.sample(seed=each) for part, each in pairs], -1)

    def mode(self) -> tf.Tensor:
        """The most likely action, [..., A] float32."""
        return tf.concat([tf.cast(part.mode(), tf.float32) for part in self._parts], -1)

    def log_prob(self, action: tf.Tensor) -> tf.Tensor:
        """[..., A] -> [...]."""
        pairs = zip(self._parts, tf.split(action, self._sizes, -1), strict=True)
        return sum(part.log_prob(each) for part, each in pairs)

    def entropy(self) -> tf.Tensor:
        """Sum over the parts, [...], in nats."""
        return sum(part.entropy() for part in self._parts)


@configurable(denylist=["features", "action_space", "rng", "precision"])
class Actor(ActorPart):
    """One-hot actions for a Discrete space, truncated normal ones in (-1, 1) for a Box.

    Factored actions have a one-hot part for each choice and a truncated normal one for the numbers.
    """

    def __init__(
        self,
        features: int,
        action_space: gymnasium.Space,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        minimum_std: PositiveFloat = 0.1,
        initial_std: float = 0.0,
    ):
        """Builds the network.

        Args:
          features: F.
          action_space: Discrete, Box or FactoredActions.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          minimum_std: smallest scale of a truncated normal (released code: 0.1).
          initial_std: added to the raw output of the scale (released code: 0).
        """
        super().__init__(precision)
        self.discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        self.action_size = action_size(action_space)
        self._choices = choices(action_space)
        self._numbers = self.action_size - sum(self._choices)
        self._minimum_std = minimum_std
        self._initial_std = initial_std
        outputs = {"out": self.action_size}
        if self._numbers:
            outputs["std"] = self._numbers
        with gin.config_scope("actor"):
            self._mlp = MLP(features, outputs, rng=rng, precision=precision, name="actor.mlp")

    def __call__(
        self, features: tf.Tensor, mask: tf.Tensor | None = None
    ) -> tfd.Distribution | FactoredPolicy:
        """Policy at each state.

        Args:
          features: [..., F].
          mask: [..., values of all choices] bool, what may be chosen; None for everything.

        Returns:
          A distribution with batch shape [...] and event shape [A].
        """
        outputs = self._mlp(features)
        out = outputs["out"]
        if self.discrete:
            return _one_hot(out, mask)
        if not self._choices:
            return self._normal(out, outputs["std"])
        *logits, mean = tf.split(out, [*self._choices, self._numbers], -1)
        count = len(self._choices)
        masks = [None] * count if mask is None else tf.split(mask, self._choices, -1)
        parts = [_one_hot(*pair) for pair in zip(logits, masks, strict=True)]
        sizes = list(self._choices)
        if self._numbers:
            parts.append(self._normal(mean, outputs["std"]))
            sizes.append(self._numbers)
        return FactoredPolicy(parts, sizes)

    def _normal(self, mean: tf.Tensor, std: tf.Tensor) -> tfd.Distribution:
        mean = tf.tanh(mean)  # [..., A]
        # 2 sigmoid(x / 2) bounds the scale: a wider normal is almost uniform in (-1, 1) already.
        std = 2.0 * tf.sigmoid((std + self._initial_std) / 2.0) + self._minimum_std
        return tfd.Independent(TruncatedNormal(mean, std, low=-1.0, high=1.0), 1)
