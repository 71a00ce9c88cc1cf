"""Observation decoder: predicts images and vectors from model features (paper 2.1)."""

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.interface import boxes
from dreamer_tf.errors import UserError
from dreamer_tf.networks import layers
from dreamer_tf.networks.distributions import tfd, unit_normal
from dreamer_tf.networks.encoders import image_keys, vector_keys
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.module import Module
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Activation, Size


class ImageDecoder(keras.layers.Layer):
    """Transposed convolutions from features to the mean of an image.

    With kernels 5, 5, 6, 6 and stride 2 the size grows as 1 -> 5 -> 13 -> 30 -> 64. The first
    transposed convolution has a 1x1 input. It is computed by a dense layer, from 32 depth channels
    to 5x5x(4 depth): the same linear map, without a convolution.
    """

    def __init__(
        self,
        features: int,
        shape: tuple[int, int, int],
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        name: str,
        depth: int,
        kernels: tuple[int, ...],
        activation: str,
    ):
        super().__init__(dtype=precision, name=name)
        size = 1
        for kernel in kernels:
            size = (size - 1) * 2 + kernel
        if shape[:2] != (size, size):
            raise UserError(
                f"The decoder makes images of {size}x{size} with Decoder.kernels={tuple(kernels)}, "
                f"but the environment returns {shape[0]}x{shape[1]}: return {size}x{size} images "
                "from the environment, or change Encoder.kernels and Decoder.kernels."
            )
        channels = [depth * 2**index for index in reversed(range(len(kernels) - 1))]
        channels.append(shape[2])
        self._first_shape = (kernels[0], kernels[0], channels[0])
        inner = depth * 2 ** (len(kernels) + 1)
        self._linear = layers.dense(
            features, inner, rng=rng, precision=precision, name=f"{name}.linear"
        )
        area = kernels[0] ** 2
        # One bias per channel, as a convolution has, not one per pixel.
        self._first = keras.layers.Dense(
            area * channels[0],
            use_bias=False,
            kernel_initializer=layers.glorot_uniform(rng, inner * area, channels[0] * area),
            dtype=precision,
            name=f"{name}.first",
        )
        self._first.build((None, inner))
        self._first_bias = self.add_weight(
            shape=(channels[0],), initializer="zeros", name=f"{name}.first.bias"
        )
        self._activation = keras.activations.get(activation)
        last = len(kernels) - 1
        self._convs = [
            layers.conv_transpose(
                channels[index - 1],
                channels[index],
                kernels[index],
                rng=rng,
                precision=precision,
                name=f"{name}.conv{index}",
                activation=activation if index < last else None,
            )
            for index in range(1, len(kernels))
        ]
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """[N, F] -> mean image [N, H, W, C] in the compute precision."""
        x = self._first(self._linear(features))
        x = tf.reshape(x, (-1, *self._first_shape))  # [N, 5, 5, 4 depth]
        x = self._activation(x + tf.cast(self._first_bias, x.dtype))
        for layer in self._convs:
            x = layer(x)
        return x


@configurable(denylist=["observation_space", "features", "rng", "precision"])
class Decoder(Module):
    """Predicts every observation as a Normal with unit variance (eq. 1, image predictor)."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        features: int,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        depth: Size = 48,
        kernels: tuple[Size, ...] = (5, 5, 6, 6),
        activation: Activation = "elu",
    ):
        """Builds the networks.

        Args:
          observation_space: images [H, W, C] and vectors [K] by name.
          features: F, the size of the model features.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          depth: channels of the last hidden transposed convolution; each earlier one has twice
            as many.
          kernels: kernel size of each transposed convolution.
          activation: Keras activation name.

        Raises:
          UserError: the kernels do not make images of the environment's size.
        """
        super().__init__(precision)
        spaces = boxes(observation_space)
        self._images = {
            key: ImageDecoder(
                features,
                (spaces[key].shape[0], spaces[key].shape[1], spaces[key].shape[2]),
                rng=rng,
                precision=precision,
                name=f"decoder.{key}",
                depth=depth,
                kernels=tuple(kernels),
                activation=activation,
            )
            for key in image_keys(observation_space)
        }
        self._vectors = None
        sizes = {key: spaces[key].shape[0] for key in vector_keys(observation_space)}
        if sizes:
            with gin.config_scope("decoder"):
                self._vectors = MLP(
                    features, sizes, rng=rng, precision=precision, name="decoder.vector"
                )

    def means(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Mean of each observation for features of any leading shape, [..., F] -> [..., *shape]."""
        leading = tf.shape(features)[:-1]
        flat = tf.reshape(features, [-1, features.shape[-1]])  # convolutions take one batch axis
        means = {}
        for key, decoder in self._images.items():
            image = decoder(flat)
            means[key] = tf.reshape(image, tf.concat([leading, image.shape[1:]], 0))
        if self._vectors is not None:
            means.update(self._vectors(features))
        return means

    def distributions(self, features: tf.Tensor) -> dict[str, tfd.Distribution]:
        """Distribution of each observation with batch shape [...], for features [..., F]."""
        return {
            key: unit_normal(mean, 3 if key in self._images else 1)
            for key, mean in self.means(features).items()
        }
