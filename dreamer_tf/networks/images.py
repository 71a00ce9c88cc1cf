"""Convolutions for images of any size, from 2x2 to screens of games.

The convolutions of the paper make 2x2 of 64x64 pixels and nothing else. For other sizes every
convolution here halves height and width and rounds up; the decoder goes the same way back and cuts
what the rounding has added:

    encoder   7x7 -> 4x4 -> 2x2                210x160 -> 105x80 -> ... -> 4x3
    decoder   2x2 -> 4x4 -> 8x8, cut to 7x7    4x3 -> 8x6, cut to 7x5 -> ... -> 210x160
"""

import itertools

import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.networks import layers
from dreamer_tf.networks.convolutions import Convolution, TransposedConvolution

_KERNEL = 4
_SMALLEST = 4  # pixels; nothing of this height and width is halved again
_LEAST = 2  # convolutions; one alone sees too little of a grid world
_WIDEST = 8  # times the depth, as many channels as the last convolution of the paper has


def halvings(height: int, width: int) -> list[tuple[int, int]]:
    """Heights and widths from the image to the last convolution, in pixels.

    Args:
      height: of the image.
      width: of the image.
    """
    sizes = [(height, width)]
    while max(sizes[-1]) > _SMALLEST or len(sizes) <= _LEAST:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def _channels(depth: int, count: int) -> list[int]:
    """Channels after each of `count` convolutions."""
    return [depth * min(2**index, _WIDEST) for index in range(count)]


def convolutions(
    shape: tuple[int, ...],
    *,
    rng: np.random.Generator,
    precision: layers.Precision,
    name: str,
    depth: int,
    activation: str,
) -> tuple[list[keras.layers.Conv2D], int]:
    """The layers of an encoder for one image.

    Args:
      shape: (H, W, C).
      rng: draws the seeds of the initialization.
      precision: Keras precision policy of the layers.
      name: prefix of the weights' names.
      depth: channels of the first convolution; the next ones have twice as many, up to 8 times.
      activation: Keras activation name.

    Returns:
      The layers, and how many numbers the last one gives for an image.
    """
    sizes = halvings(shape[0], shape[1])
    inputs, stack = shape[2], []
    for index, filters in enumerate(_channels(depth, len(sizes) - 1)):
        area = _KERNEL * _KERNEL
        layer = Convolution(
            filters,
            _KERNEL,
            strides=2,
            padding="same",
            activation=activation,
            kernel_initializer=layers.glorot_uniform(rng, inputs * area, filters * area),
            dtype=precision,
            name=f"{name}.conv{index}",
        )
        layer.build((None, None, None, inputs))
        stack.append(layer)
        inputs = filters
    return stack, sizes[-1][0] * sizes[-1][1] * inputs


class AnySizeDecoder(keras.layers.Layer):
    """Transposed convolutions from features to an image of any size."""

    def __init__(
        self,
        features: int,
        shape: tuple[int, int, int],
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        name: str,
        depth: int,
        activation: str,
    ):
        super().__init__(dtype=precision, name=name)
        self._sizes = halvings(shape[0], shape[1])[::-1]
        channels = _channels(depth, len(self._sizes) - 1)[::-1] + [shape[2]]
        self._first_shape = (*self._sizes[0], channels[0])
        self._first = layers.dense(
            features,
            int(np.prod(self._first_shape)),
            rng=rng,
            precision=precision,
            name=f"{name}.first",
            activation=activation,
        )
        self._convs = []
        area = _KERNEL * _KERNEL
        for index, (inputs, filters) in enumerate(itertools.pairwise(channels)):
            layer = TransposedConvolution(
                filters,
                _KERNEL,
                strides=2,
                padding="same",
                activation=activation if index < len(channels) - 2 else None,
                kernel_initializer=layers.glorot_uniform(rng, inputs * area, filters * area),
                dtype=precision,
                name=f"{name}.conv{index}",
            )
            layer.build((None, None, None, inputs))
            self._convs.append(layer)
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """[N, F] -> [N, H, W, C] in the compute precision."""
        x = tf.reshape(self._first(features), (-1, *self._first_shape))
        for layer, (height, width) in zip(self._convs, self._sizes[1:], strict=True):
            x = layer(x)[:, :height, :width]  # twice as large, cut to the encoder's size
        return x
