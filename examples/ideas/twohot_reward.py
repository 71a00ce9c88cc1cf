"""Rewards as a distribution over bins of symlog(reward), as in DreamerV3."""

import gin
import tensorflow as tf

from dreamer_tf.networks.mlp import MLP
from dreamer_tf.networks.parts import HeadPart


def symlog(x):
    """sign(x) log(1 + |x|): rewards of any size have bins near by."""
    return tf.sign(x) * tf.math.log1p(tf.abs(x))


class TwoHot:
    """A categorical over bins; a target is shared between the two bins around it."""

    def __init__(self, logits, bins):
        self._logits, self._bins = logits, bins

    def log_prob(self, value):
        """[...] -> [...], for values that are symlog already."""
        step = self._bins[1] - self._bins[0]
        near = tf.abs(value[..., None] - self._bins) / step
        shares = tf.maximum(0.0, 1.0 - near)  # [..., bins], sums to 1
        return tf.reduce_sum(shares * tf.nn.log_softmax(self._logits), -1)

    def mean(self):
        """The expected reward, [...]."""
        value = tf.reduce_sum(tf.nn.softmax(self._logits) * self._bins, -1)
        return tf.sign(value) * tf.math.expm1(tf.abs(value))


@gin.configurable
class TwoHotReward(HeadPart):
    """Takes the place of the reward head."""

    def __init__(self, features, observation_space, *, rng, precision, bins=63, largest=10.0):
        super().__init__(precision)
        self._bins = tf.linspace(-largest, largest, bins)  # of symlog: up to e^10 - 1
        self._mlp = MLP(features, {"logits": bins}, rng=rng, precision=precision, name="twohot")

    def distribution(self, features):
        """[..., F] -> batch shape [...]."""
        return TwoHot(self._mlp(features)["logits"], self._bins)

    def target(self, batch, data):
        """[B, T]: the stored reward, which no other transform has touched."""
        return symlog(batch.reward)
