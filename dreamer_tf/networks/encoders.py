"""Observation encoder: images through convolutions, vectors through an MLP (paper 2.1)."""

import fnmatch
import functools
import math
from collections.abc import Callable, Sequence

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.environments.interface import boxes
from dreamer_tf.errors import UserError
from dreamer_tf.networks import images, layers
from dreamer_tf.networks.convolutions import crop
from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import EncoderPart
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Activation, Size

EVERYTHING = "*"
PAPER_SIZE = (64, 64)  # pixels
_KERNELS = (4, 4, 4, 4)


def image_keys(space: gymnasium.spaces.Dict) -> list[str]:
    """Names of the observations that are images, [H, W, C] uint8, or planes, [H, W, C] bool."""
    return [key for key, box in boxes(space).items() if len(box.shape) == 3]


def vector_keys(space: gymnasium.spaces.Dict) -> list[str]:
    """Names of the observations that are vectors, [K] float, uint8 or bool."""
    return [key for key, box in boxes(space).items() if len(box.shape) == 1]


def chosen(
    name: str,
    space: gymnasium.spaces.Dict,
    image_patterns: Sequence[str],
    vector_patterns: Sequence[str],
) -> tuple[list[str], list[str]]:
    """The images and the vectors that patterns such as 'camera*' name.

    Args:
      name: of the configurable, for messages.
      space: all observations.
      image_patterns: `image_keys` of the configurable.
      vector_patterns: `vector_keys` of the configurable.

    Raises:
      UserError: a pattern names nothing, or nothing is chosen at all.
    """
    found = []
    for parameter, patterns, keys in (
        ("image_keys", image_patterns, image_keys(space)),
        ("vector_keys", vector_patterns, vector_keys(space)),
    ):
        for pattern in patterns:
            if pattern != EVERYTHING and not fnmatch.filter(keys, pattern):
                raise UserError(
                    f"{name}.{parameter} has the pattern '{pattern}', but no "
                    f"{parameter.partition('_')[0]} has such a name: there is "
                    f"{', '.join(keys) or 'none'}."
                )
        found.append([key for key in keys if any(fnmatch.fnmatch(key, p) for p in patterns)])
    if not any(found):
        raise UserError(
            f"{name}.image_keys and {name}.vector_keys leave no observation: there is "
            f"{', '.join(space.spaces)}."
        )
    return found[0], found[1]


@configurable(denylist=["observation_space", "rng", "precision"])
class Encoder(EncoderPart):
    """Embeds all observations of a step into one vector of `size` numbers.

    64x64 images pass through four convolutions with kernel 4 and stride 2:
    64 -> 31 -> 14 -> 6 -> 2, with depth, 2 depth, 4 depth and 8 depth channels. Images of other
    sizes pass through as many as they need (`images.py`).
    """

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
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
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          depth: channels of the first convolution; the next ones have twice as many, at most 8
            times.
          kernels: kernel size of each convolution; each of them about halves the image. None
            chooses by the image: (4, 4, 4, 4) for 64x64, those of `images.py` for other sizes.
          activation: Keras activation name.
          image_keys: images to look at, as patterns like 'camera*'.
          vector_keys: vectors to look at.

        Raises:
          UserError: an image is too small for the convolutions, or a pattern names nothing.
        """
        super().__init__(precision)
        spaces = boxes(observation_space)
        looked_at = chosen("Encoder", observation_space, image_keys, vector_keys)
        self._vector_keys = looked_at[1]
        self._convs: dict[str, list[keras.layers.Conv2D]] = {}
        self.size = 0
        for key in looked_at[0]:
            shape = spaces[key].shape
            make: Callable[..., tuple[list[keras.layers.Conv2D], int]] = images.convolutions
            if kernels is not None or shape[:2] == PAPER_SIZE:
                make = functools.partial(_convolutions, kernels=tuple(kernels or _KERNELS))
            self._convs[key], size = make(
                shape,
                rng=rng,
                precision=precision,
                name=f"encoder.{key}",
                depth=depth,
                activation=activation,
            )
            self.size += size
        vectors = sum(math.prod(spaces[key].shape) for key in self._vector_keys)
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
            x = crop(observation[key], stack)
            for layer in stack:
                x = layer(x)  # [N, H', W', C']
            parts.append(tf.reshape(x, [-1, math.prod(x.shape[1:])]))  # [N, H'*W'*C']
        if self._mlp is not None:
            vector = tf.concat([observation[key] for key in self._vector_keys], -1)
            parts.append(self._mlp.hidden(vector))
        return parts[0] if len(parts) == 1 else tf.concat(parts, -1)


def _convolutions(
    shape: tuple[int, ...],
    *,
    rng: np.random.Generator,
    precision: layers.Precision,
    name: str,
    depth: int,
    activation: str,
    kernels: tuple[int, ...],
) -> tuple[list[keras.layers.Conv2D], int]:
    """Convolutions with stride 2 and no padding; as `images.convolutions`."""
    height, width, channels = shape
    stack = []
    for index, kernel in enumerate(kernels):
        filters = depth * 2**index
        # Stride 2 without padding.
        height, width = (height - kernel) // 2 + 1, (width - kernel) // 2 + 1
        if min(height, width) < 1:
            raise UserError(
                f"Observation '{name.partition('.')[2]}' of shape {shape} is too small "
                f"for {len(kernels)} convolutions with kernels {kernels}: return larger images "
                "from the environment (create_gym_environment.image_size for Gymnasium's), or "
                "leave Encoder.kernels and Decoder.kernels out."
            )
        stack.append(
            layers.conv(
                channels,
                filters,
                kernel,
                rng=rng,
                precision=precision,
                name=f"{name}.conv{index}",
                activation=activation,
            )
        )
        channels = filters
    return stack, height * width * channels
