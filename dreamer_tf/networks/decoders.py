"""Observation decoder: predicts images and vectors from model features (paper 2.1)."""

import functools
import math
from collections.abc import Callable

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.interface import boxes
from dreamer_tf.errors import UserError
from dreamer_tf.networks import layers
from dreamer_tf.networks.bias import add_bias
from dreamer_tf.networks.distributions import binary, tfd, unit_normal
from dreamer_tf.networks.encoders import EVERYTHING, PAPER_SIZE, chosen
from dreamer_tf.networks.images import AnySizeDecoder
from dreamer_tf.networks.log_odds import LogOdds
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import DecoderPart
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Activation, Size

_KERNELS = (5, 5, 6, 6)


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
                "from the environment, or leave Encoder.kernels and Decoder.kernels out."
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
        # One bias for 25 pixels: few enough to be added up as they are in 32 bits.
        bias = self._first_bias
        x = self._activation(x + bias if x.dtype == tf.float32 else add_bias(x, bias))
        for layer in self._convs:
            x = layer(x)
        return x


@configurable(denylist=["observation_space", "features", "rng", "precision"])
class Decoder(DecoderPart):
    """Predicts every observation (eq. 1, image predictor).

    Bytes and floats have a Normal with unit variance. Observations of zeros and ones, which are
    bool, have a Bernoulli. Its logits start at the log-odds of the first batch (`log_odds.py`).
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        features: int,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        depth: Size = 48,
        kernels: tuple[Size, ...] | None = None,
        activation: Activation = "elu",
        image_keys: tuple[str, ...] = (EVERYTHING,),
        vector_keys: tuple[str, ...] = (EVERYTHING,),
    ):
        """Builds the networks.

        Args:
          observation_space: images [H, W, C] and vectors [K] by name.
          features: F, the size of the model features.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          depth: channels of the last hidden transposed convolution; each earlier one has twice
            as many, at most 8 times.
          kernels: kernel size of each transposed convolution. None chooses by the image:
            (5, 5, 6, 6) for 64x64, those of `images.py` for other sizes.
          activation: Keras activation name.
          image_keys: images to predict, as patterns like 'camera*'.
          vector_keys: vectors to predict.

        Raises:
          UserError: the kernels do not make images of the environment's size, or a pattern names
            nothing.
        """
        super().__init__(precision)
        spaces = boxes(observation_space)
        images, vectors = chosen("Decoder", observation_space, image_keys, vector_keys)
        self._images: dict[str, keras.layers.Layer] = {}
        for key in images:
            shape = (spaces[key].shape[0], spaces[key].shape[1], spaces[key].shape[2])
            make: Callable[..., keras.layers.Layer] = AnySizeDecoder
            if kernels is not None or shape[:2] == PAPER_SIZE:
                make = functools.partial(ImageDecoder, kernels=tuple(kernels or _KERNELS))
            self._images[key] = make(
                features,
                shape,
                rng=rng,
                precision=precision,
                name=f"decoder.{key}",
                depth=depth,
                activation=activation,
            )
        self._vectors = None
        if vectors:
            outputs = {key: spaces[key].shape[0] for key in vectors}
            with gin.config_scope("decoder"):
                self._vectors = MLP(
                    features, outputs, rng=rng, precision=precision, name="decoder.vector"
                )
        self.keys = [*images, *vectors]
        self._binary = {
            key: LogOdds(spaces[key].shape, name=f"decoder.{key}.ones")
            for key in self.keys
            if spaces[key].dtype == bool
        }
        # The part of a unit Normal's loss that no prediction can lower, in nats.
        self.loss_floors = {
            key: 0.0
            if key in self._binary
            else 0.5 * math.log(2.0 * math.pi) * math.prod(spaces[key].shape)
            for key in self.keys
        }

    def means(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Mean of each observation for features of any leading shape, [..., F] -> [..., *shape].

        Images and all that is bool are in [-0.5, 0.5], as the encoder sees them.
        """
        outputs = self._outputs(features)
        for key in self._binary:
            outputs[key] = tf.sigmoid(outputs[key]) - 0.5
        return outputs

    def distributions(self, features: tf.Tensor) -> dict[str, tfd.Distribution]:
        """Distribution of each observation with batch shape [...], for features [..., F]."""
        found = {}
        for key, output in self._outputs(features).items():
            axes = 3 if key in self._images else 1
            found[key] = (binary if key in self._binary else unit_normal)(output, axes)
        return found

    def start(self, observation: dict[str, tf.Tensor], update: tf.Tensor) -> None:
        """Takes over how often the first batch has ones; see `DecoderPart`."""
        for key, log_odds in self._binary.items():
            log_odds.start(observation[key], update)

    def _outputs(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        leading = tf.shape(features)[:-1]
        flat = tf.reshape(features, [-1, features.shape[-1]])  # convolutions take one batch axis
        means = {}
        for key, decoder in self._images.items():
            image = decoder(flat)
            means[key] = tf.reshape(image, tf.concat([leading, image.shape[1:]], 0))
        if self._vectors is not None:
            means.update(self._vectors(features))
        for key, log_odds in self._binary.items():
            means[key] = log_odds(means[key])
        return means
