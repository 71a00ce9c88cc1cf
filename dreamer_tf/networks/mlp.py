"""Multi-layer perceptron: every head, the actor and the critic (Table D1: 4 layers of 400)."""

import numpy as np
import tensorflow as tf

from dreamer_tf.networks import layers
from dreamer_tf.networks.module import Module
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Activation, Layers, Size


@configurable(denylist=["inputs", "outputs", "rng", "precision", "name"])
class MLP(Module):
    """Hidden layers with one activation, then one linear layer per named output."""

    def __init__(
        self,
        inputs: int,
        outputs: dict[str, int],
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        name: str,
        num_layers: Layers = 4,
        units: Size = 400,
        activation: Activation = "elu",
    ):
        """Builds the layers.

        Args:
          inputs: size of the last input axis.
          outputs: size of each linear output, by name; empty for the hidden layers alone.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          name: prefix of the weights' names, which are keys in a checkpoint.
          num_layers: number of hidden layers (Table D1).
          units: units of each hidden layer (Table D1).
          activation: Keras activation name (paper 2.1: ELU).
        """
        super().__init__(precision)
        sizes = [inputs] + [units] * num_layers
        self._hidden = [
            layers.dense(
                sizes[index],
                sizes[index + 1],
                rng=rng,
                precision=precision,
                name=f"{name}.dense{index}",
                activation=activation,
            )
            for index in range(num_layers)
        ]
        self._heads = {
            key: layers.dense(sizes[-1], size, rng=rng, precision=precision, name=f"{name}.{key}")
            for key, size in outputs.items()
        }
        self.output_size = sizes[-1]

    def hidden(self, features: tf.Tensor) -> tf.Tensor:
        """The last hidden layer: [..., inputs] -> [..., units], in the compute precision."""
        shape = tf.shape(features)[:-1]
        # One matrix product for all leading axes is faster than a batched one.
        x = tf.cast(tf.reshape(features, [-1, features.shape[-1]]), self.compute_dtype)
        for layer in self._hidden:
            x = layer(x)
        return tf.reshape(x, tf.concat([shape, [self.output_size]], 0))

    def __call__(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Applies the network: [..., inputs] -> {name: [..., size]} in float32."""
        x = self.hidden(features)
        return {key: tf.cast(layer(x), tf.float32) for key, layer in self._heads.items()}
