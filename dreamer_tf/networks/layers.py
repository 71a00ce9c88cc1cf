"""Keras layers that are built at once, with a seeded Glorot initialization.

Every layer knows its input size, so no weight is created later, inside a compiled function. The
random numbers come from the generator that is passed in, so one run seed fixes every weight.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import DTypePolicy as Precision

from dreamer_tf.networks.bias import add_bias
from dreamer_tf.networks.convolutions import Convolution, TransposedConvolution


class Dense(keras.layers.Dense):
    """A Dense layer of Keras, but for the gradient of its bias (`bias.py`)."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[..., inputs] -> [..., units]."""
        if self.bias is None or self.compute_dtype == "float32":
            return super().call(inputs, training=training)
        outputs = add_bias(keras.ops.matmul(inputs, self.kernel), self.bias)
        return outputs if self.activation is None else self.activation(outputs)


def glorot_uniform(
    rng: np.random.Generator, fan_in: int, fan_out: int
) -> keras.initializers.Initializer:
    """Glorot's uniform initialization for given fans.

    The fans are explicit because some layers here are parts of a larger linear map (a split
    Dense, a dense transposed convolution). They must be initialized like the whole.

    Args:
      rng: draws the seed.
      fan_in: number of inputs of one output.
      fan_out: number of outputs of one input.

    Returns:
      A uniform initializer with a fixed seed.
    """
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    seed = int(rng.integers(2**31))
    return keras.initializers.RandomUniform(-limit, limit, seed=seed)


def dense(
    inputs: int,
    units: int,
    *,
    rng: np.random.Generator,
    precision: Precision,
    name: str,
    activation: str | None = None,
    use_bias: bool = True,
    fan_in: int | None = None,
) -> keras.layers.Dense:
    """A built Dense layer.

    Args:
      inputs: size of the last input axis.
      units: size of the last output axis.
      rng: draws the seed of the initialization.
      precision: Keras precision policy of the layers.
      name: unique name; it is the key of the weights in a checkpoint.
      activation: Keras activation name, or None for a linear layer.
      use_bias: whether a bias is added.
      fan_in: number of inputs of the whole map, if this layer is a part of one.

    Returns:
      The layer, with its weights.
    """
    layer = Dense(
        units,
        activation,
        use_bias=use_bias,
        kernel_initializer=glorot_uniform(rng, fan_in or inputs, units),
        dtype=precision,
        name=name,
    )
    layer.build((None, inputs))
    return layer


def conv(
    inputs: int,
    filters: int,
    kernel: int,
    *,
    rng: np.random.Generator,
    precision: Precision,
    name: str,
    activation: str | None,
) -> keras.layers.Conv2D:
    """A built convolution with stride 2 and no padding.

    Args:
      inputs: channels of the input.
      filters: channels of the output.
      kernel: height and width of the kernel.
      rng: draws the seed of the initialization.
      precision: Keras precision policy of the layers.
      name: unique name; it is the key of the weights in a checkpoint.
      activation: Keras activation name, or None for a linear layer.

    Returns:
      The layer, with its weights.
    """
    area = kernel * kernel
    layer = Convolution(
        filters,
        kernel,
        strides=2,
        activation=activation,
        kernel_initializer=glorot_uniform(rng, inputs * area, filters * area),
        dtype=precision,
        name=name,
    )
    layer.build((None, None, None, inputs))
    return layer


def conv_transpose(
    inputs: int,
    filters: int,
    kernel: int,
    *,
    rng: np.random.Generator,
    precision: Precision,
    name: str,
    activation: str | None,
) -> keras.layers.Conv2DTranspose:
    """A built transposed convolution with stride 2 and no padding; arguments as for `conv`."""
    area = kernel * kernel
    layer = TransposedConvolution(
        filters,
        kernel,
        strides=2,
        activation=activation,
        kernel_initializer=glorot_uniform(rng, inputs * area, filters * area),
        dtype=precision,
        name=name,
    )
    layer.build((None, None, None, inputs))
    return layer
