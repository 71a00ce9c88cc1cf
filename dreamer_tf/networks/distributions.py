"""TFP distributions whose samples carry the gradients that DreamerV2 needs.

All of them compute in float32, whatever the precision of the networks: logits, KL and returns
are too sensitive to rounding for 16 bits.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dreamer_tf.networks import placement


class StraightThroughOneHot(tfd.OneHotCategorical):
    """One-hot categorical with straight-through gradients (paper, Algorithm 1).

    A sample is exactly one-hot, and its gradient is that of the class probabilities. TFP's own
    `OneHotCategoricalStraightThrough` has the same gradient, but its values are rounded.
    """

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        return _straight_through(self._draw(n, seed), self.probs_parameter()[None])

    def _draw(self, n: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """One-hot samples without a gradient, [n, ..., C]."""
        if tf.get_static_value(n) != 1 or seed is None:
            return super()._sample_n(n, seed)
        probs = self.probs_parameter()
        classes = probs.shape[-1]
        if placement.suits_cpu():
            drawn = _inverted(tf.reshape(probs, [-1, classes]), seed)
        else:
            # The same as TFP's, which transposes the drawn classes as 64-bit integers. That does
            # nothing for one sample, and oneDNN prints an error about such integers.
            logits = tf.reshape(self.logits_parameter(), [-1, classes])
            drawn = tf.random.stateless_categorical(logits, 1, seed)[:, 0]
        one_hots = tf.one_hot(drawn, classes, dtype=self.dtype)
        return tf.reshape(one_hots, tf.concat([[1], tf.shape(probs)], 0))


class MaskedOneHot(StraightThroughOneHot):
    """One-hot categorical of which some classes have the probability 0 and are never drawn.

    Inverting rounded sums could draw such a class once in a long while. TensorFlow's kernel sums
    one class after the other, so one without probability has no place to fall into.
    """

    def _draw(self, n: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        logits = self.logits_parameter()
        classes = logits.shape[-1]
        flat = tf.reshape(logits, [-1, classes])
        drawn = tf.random.stateless_categorical(flat, n, seed, tf.int32)  # [M, n]
        shape = tf.concat([[n], tf.shape(logits)], 0)
        return tf.reshape(tf.one_hot(tf.transpose(drawn), classes, dtype=self.dtype), shape)


class StraightThroughBernoulli(tfd.Bernoulli):
    """Binary variables with straight-through gradients (paper, Appendix C, binary latents)."""

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        return _straight_through(super()._sample_n(n, seed), self.probs_parameter()[None])


class CenteredBernoulli(tfd.Bernoulli):
    """Zeros and ones that are written as -0.5 and 0.5, as the networks see them."""

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        return super()._log_prob(event + 0.5)


class TruncatedNormal(tfd.TruncatedNormal):
    """Truncated normal whose samples keep a margin to the bounds (paper, Appendix A).

    Gradients pass the clipping unchanged, so an action at the bound still moves its distribution.
    """

    MARGIN = 1e-6  # as in the authors' code

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        sample = super()._sample_n(n, seed)
        clipped = tf.clip_by_value(sample, self.low + self.MARGIN, self.high - self.MARGIN)
        return tf.stop_gradient(clipped) + (sample - tf.stop_gradient(sample))


def one_hot(logits: tf.Tensor) -> tfd.Independent:
    """A vector of independent one-hot variables.

    Args:
      logits: [..., S, C] float32, S variables of C classes.

    Returns:
      A distribution with event shape [S, C].
    """
    return tfd.Independent(StraightThroughOneHot(logits=logits, dtype=tf.float32), 1)


def unit_normal(mean: tf.Tensor, event_axes: int) -> tfd.Independent:
    """Normal with unit variance; its log-likelihood is a negative squared error plus a constant.

    Args:
      mean: [..., *event] in any precision.
      event_axes: how many of the last axes belong to one event.

    Returns:
      A float32 distribution with batch shape [...].
    """
    return tfd.Independent(tfd.Normal(tf.cast(mean, tf.float32), 1.0), event_axes)


def binary(logits: tf.Tensor, event_axes: int) -> tfd.Independent:
    """Independent zeros and ones, written as -0.5 and 0.5.

    Args:
      logits: [..., *event] of a one, in any precision.
      event_axes: how many of the last axes belong to one event.

    Returns:
      A float32 distribution with batch shape [...]; only its `log_prob` knows how values are
      written.
    """
    logits = tf.cast(logits, tf.float32)
    return tfd.Independent(CenteredBernoulli(logits=logits, dtype=tf.float32), event_axes)


def _inverted(probs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Classes that are drawn by inverting the cumulative distribution, [M, C] -> [M] int32.

    TFP's kernel takes each exponential and each comparison on its own. These are operations on
    whole arrays.
    """
    classes = probs.shape[-1]
    # A product with a triangle of ones is the fastest cumulative sum on a CPU.
    bounds = tf.matmul(probs, np.triu(np.ones((classes, classes), np.float32)))  # [M, C]
    uniform = tf.random.stateless_uniform([tf.shape(bounds)[0], 1], seed)
    # Relative to the last bound, which may be rounded: so it is never reached.
    below = tf.cast(bounds <= uniform * bounds[:, -1:], tf.float32)
    return tf.cast(tf.reduce_sum(below, -1), tf.int32)


def _straight_through(sample: tf.Tensor, probs: tf.Tensor) -> tf.Tensor:
    """The sample [n, ...] with the gradient of the probabilities [1, ...], and no arithmetic."""

    @tf.custom_gradient
    def pass_on(probs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return tf.identity(sample), lambda gradient: tf.reduce_sum(gradient, 0, keepdims=True)

    return pass_on(probs)
