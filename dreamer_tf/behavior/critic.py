"""The critic: the value of each model state (paper 2.2, eq. 5)."""

import numpy as np
import tensorflow as tf

from dreamer_tf.networks import layers
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import CriticPart
from dreamer_tf.settings.configurable import configurable


@configurable(denylist=["features", "name", "rng", "precision"])
class Critic(CriticPart):
    """An MLP whose output is the mean of a unit Normal."""

    def __init__(
        self, features: int, *, name: str, rng: np.random.Generator, precision: layers.Precision
    ):
        """Builds the network. In gin its settings are those of `critic/MLP`.

        Args:
          features: F.
          name: of the weights, 'critic' or 'target_critic'.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
        """
        super().__init__(precision)
        self._mlp = MLP(features, {"value": 1}, name=name, rng=rng, precision=precision)

    def value(self, features: tf.Tensor) -> tf.Tensor:
        """The value of each state: [..., F] -> [...] float32."""
        return self._mlp(features)["value"][..., 0]
