"""Latent variables of the world model behind one interface.

A latent says how many outputs of the networks it needs (`parameter_size`), which distribution
they describe (`parameters`, `distribution`), and how a sample becomes features (`flatten`,
`size`). To add a kind of latent, write a class with these members and name it in gin:

    RSSM.latent = @MyLatent()
"""

from typing import Literal, Protocol

import tensorflow as tf

from dreamer_tf.networks.distributions import (
    StraightThroughBernoulli,
    one_hot,
    tfd,
)
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import PositiveFloat, Size


class Latent(Protocol):
    """What the RSSM needs to know about its stochastic variables."""

    size: int  # of a flattened sample
    parameter_size: int  # number of network outputs
    parameter_shape: tuple[int, ...]  # of one step's parameters

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """Network outputs [..., parameter_size] -> float32 [..., *parameter_shape]."""

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Parameters [..., *parameter_shape] -> distribution with batch shape [...]."""

    def flatten(self, sample: tf.Tensor) -> tf.Tensor:
        """Sample [..., *event] -> [..., size]."""


@configurable
class CategoricalLatent:
    """S variables of C classes with straight-through gradients (paper 2.1; Table D1: 32 x 32)."""

    def __init__(self, variables: Size = 32, classes: Size = 32):
        """Sets the shape.

        Args:
          variables: S, number of categorical variables (Table D1: discrete latent dimensions).
          classes: C, classes of each variable (Table D1).
        """
        self.parameter_shape = (variables, classes)
        self.parameter_size = self.size = variables * classes

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """Logits: [..., S*C] -> [..., S, C]."""
        shape = tf.concat([tf.shape(outputs)[:-1], self.parameter_shape], 0)
        return tf.reshape(tf.cast(outputs, tf.float32), shape)

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Logits [..., S, C] -> Independent(OneHotCategorical), event shape [S, C]."""
        return one_hot(parameters)

    def flatten(self, sample: tf.Tensor) -> tf.Tensor:
        """One-hot sample [..., S, C] -> [..., S*C]."""
        return tf.reshape(sample, tf.concat([tf.shape(sample)[:-2], [self.size]], 0))


@configurable
class GaussianLatent:
    """K reparameterized Gaussian variables: DreamerV1's latents and an ablation (Table 2)."""

    def __init__(
        self,
        variables: Size = 200,
        minimum_std: PositiveFloat = 0.1,
        std_bound: Literal["sigmoid2", "softplus"] = "sigmoid2",
    ):
        """Sets the number of variables and the function that keeps standard deviations positive.

        Args:
          variables: K, number of Gaussian variables.
          minimum_std: smallest standard deviation.
          std_bound: 'sigmoid2' for 2 sigmoid(x / 2), or 'softplus' (DreamerV1).
        """
        bounds = {"sigmoid2": lambda x: 2.0 * tf.sigmoid(x / 2.0), "softplus": tf.math.softplus}
        self._bound = bounds[std_bound]
        self._minimum_std = minimum_std
        self.size = variables
        self.parameter_size = 2 * variables
        self.parameter_shape = (2 * variables,)

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """[..., 2K] -> mean and standard deviation, concatenated, [..., 2K]."""
        mean, std = tf.split(tf.cast(outputs, tf.float32), 2, -1)
        return tf.concat([mean, self._bound(std) + self._minimum_std], -1)

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Mean and standard deviation [..., 2K] -> Independent(Normal), event shape [K]."""
        mean, std = tf.split(parameters, 2, -1)
        return tfd.Independent(tfd.Normal(mean, std), 1)

    def flatten(self, sample: tf.Tensor) -> tf.Tensor:
        """A Gaussian sample is its own feature vector."""
        return sample


@configurable
class BinaryLatent:
    """K binary variables with straight-through gradients (paper, Appendix C)."""

    def __init__(self, variables: Size = 1024):
        """Sets the size.

        Args:
          variables: K, number of binary variables.
        """
        self.parameter_shape = (variables,)
        self.parameter_size = self.size = variables

    def parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """Logits [..., K]."""
        return tf.cast(outputs, tf.float32)

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """Logits [..., K] -> Independent(Bernoulli), event shape [K]."""
        return tfd.Independent(StraightThroughBernoulli(logits=parameters, dtype=tf.float32), 1)

    def flatten(self, sample: tf.Tensor) -> tf.Tensor:
        """A binary sample is its own feature vector."""
        return sample
