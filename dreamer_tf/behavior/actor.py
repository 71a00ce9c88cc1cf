"""The actor: a distribution over actions for each model state (paper 2.2, Appendix A)."""

import gin
import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.interface import action_size
from dreamer_tf.networks import layers
from dreamer_tf.networks.distributions import StraightThroughOneHot, TruncatedNormal, tfd
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.module import Module
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveFloat


@configurable(denylist=["features", "action_space", "rng", "precision"])
class Actor(Module):
    """One-hot actions for a Discrete space, truncated normal ones in (-1, 1) for a Box."""

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
          action_space: Discrete or Box.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          minimum_std: smallest scale of a truncated normal (released code: 0.1).
          initial_std: added to the raw output of the scale (released code: 0).
        """
        super().__init__(precision)
        self.discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        self.action_size = action_size(action_space)
        self._minimum_std = minimum_std
        self._initial_std = initial_std
        outputs = {"out": self.action_size}
        if not self.discrete:
            outputs["std"] = self.action_size
        with gin.config_scope("actor"):
            self._mlp = MLP(features, outputs, rng=rng, precision=precision, name="actor.mlp")

    def __call__(self, features: tf.Tensor) -> tfd.Distribution:
        """Policy at each state: features [..., F] -> batch shape [...], event shape [A]."""
        outputs = self._mlp(features)
        if self.discrete:
            return StraightThroughOneHot(logits=outputs["out"], dtype=tf.float32)
        mean = tf.tanh(outputs["out"])  # [..., A]
        # 2 sigmoid(x / 2) bounds the scale: a wider normal is almost uniform in (-1, 1) already.
        std = 2.0 * tf.sigmoid((outputs["std"] + self._initial_std) / 2.0) + self._minimum_std
        return tfd.Independent(TruncatedNormal(mean, std, low=-1.0, high=1.0), 1)
