"""TFP distributions whose samples carry the gradients that DreamerV2 needs.

All of them work in float32, whatever the precision of the networks (DESIGN: logits, KL and
returns stay float32).
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class StraightThroughOneHot(tfd.OneHotCategorical):
    """One-hot categorical with straight-through gradients (paper, Algorithm 1).

    A sample is exactly one-hot; its gradient is that of the class probabilities. TFP's own
    `OneHotCategoricalStraightThrough` has the same gradient, but rounds the value.
    """

    def _sample_n(self, n, seed=None):
        sample = super()._sample_n(n, seed)
        probs = self.probs_parameter()
        return sample + (probs - tf.stop_gradient(probs))


class StraightThroughBernoulli(tfd.Bernoulli):
    """Binary variables with straight-through gradients (paper, Appendix C, binary latents)."""

    def _sample_n(self, n, seed=None):
        sample = super()._sample_n(n, seed)
        probs = self.probs_parameter()
        return sample + (probs - tf.stop_gradient(probs))


class TruncatedNormal(tfd.TruncatedNormal):
    """Truncated normal whose samples stay clear of the bounds (paper, Appendix A).

    The clipping of the sample passes gradients through unchanged, so that an action at the
    bound still moves its distribution.
    """

    MARGIN = 1e-6

    def _sample_n(self, n, seed=None):
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
    """Normal with unit variance: its log-likelihood is a squared error plus a constant."""
    return tfd.Independent(tfd.Normal(tf.cast(mean, tf.float32), 1.0), event_axes)
