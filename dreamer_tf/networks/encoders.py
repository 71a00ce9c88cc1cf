"""Observation encoder: images through convolutions, vectors through an MLP (paper 2.1)."""

import math

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.interface import boxes
from dreamer_tf.errors import UserError
from dreamer_tf.networks import layers
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.module import Module
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Activation, Size


def image_keys(space: gymnasium.spaces.Dict) -> list[str]:
    """Names of the observations that are images, [H, W, C] uint8."""
    return [key for key, box in boxes(space).items() if len(box.shape) == 3]


def vector_keys(space: gymnasium.spaces.Dict) -> list[str]:
    """Names of the observations that are vectors, [K] float."""
    return [key for key, box in boxes(space).items() if len(box.shape) == 1]


@configurable(denylist=["observation_space", "rng", "precision"])
class Encoder(Module):
    """Embeds all observations of a step into one vector of `size` numbers.

    64x64 images pass through four convolutions with kernel 4 and stride 2:
    64 -> 31 -> 14 -> 6 -> 2, with depth, 2 depth, 4 depth and 8 depth channels.
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        depth: Size = 48,
        kernels: tuple[Size, ...] = (4, 4, 4, 4),
        activation: Activation = "elu",
    ):
        """Builds the networks.

        Args:
          observation_space: images [H, W, C] and vectors [K] by name.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          depth: channels of the first convolution; every further one has twice as many.
          kernels: kernel size of each convolution; each of them about halves the image.
          activation: Keras activation name.

        Raises:
          UserError: an image is too small for the convolutions.
        """
        super().__init__(precision)
        self._space = observation_space
        spaces = boxes(observation_space)
        self._convs: dict[str, list[keras.layers.Conv2D]] = {}
        self.size = 0
        for key in image_keys(observation_space):
            height, width, channels = spaces[key].shape
            stack = []
            for index, kernel in enumerate(kernels):
                filters = depth * 2**index
                # Stride 2 without padding.
                height, width = (height - kernel) // 2 + 1, (width - kernel) // 2 + 1
                if min(height, width) < 1:
                    raise UserError(
                        f"Observation '{key}' of shape {spaces[key].shape} is too small "
                        f"for {len(kernels)} convolutions with kernels {tuple(kernels)}: return "
                        "larger images from the environment (create_gym_environment.image_size "
                        "for Gymnasium's) or shorten Encoder.kernels."
                    )
                stack.append(
                    layers.conv(
                        channels,
                        filters,
                        kernel,
                        rng=rng,
                        precision=precision,
                        name=f"encoder.{key}.conv{index}",
                        activation=activation,
                    )
                )
                channels = filters
            self._convs[key] = stack
            self.size += height * width * channels
        vectors = sum(math.prod(spaces[key].shape) for key in vector_keys(self._space))
        self._mlp = None
        if vectors:
            with gin.config_scope("encoder"):
                self._mlp = MLP(vectors, {}, rng=rng, precision=precision, name="encoder.vector")
            self.size += self._mlp.output_size

    def __call__(self, observation: dict[str, tf.Tensor]) -> tf.Tensor:
        """Embeds preprocessed observations.

        Args:
          observation: images [N, H, W, C] in [-0.5, 0.5] and vectors [N, K].

        Returns:
          [N, size] in the compute precision.
        """
        parts = []  # [N, ...] each
        for key, stack in self._convs.items():
            x = observation[key]
            for layer in stack:
                x = layer(x)  # [N, H', W', C']
            parts.append(tf.reshape(x, [-1, math.prod(x.shape[1:])]))  # [N, H'*W'*C']
        if self._mlp is not None:
            keys = vector_keys(self._space)
            vector = tf.concat([observation[key] for key in keys], -1)
            parts.append(self._mlp.hidden(vector))
        return parts[0] if len(parts) == 1 else tf.concat(parts, -1)
