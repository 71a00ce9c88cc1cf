"""A critic of one's own: the smaller one of two values, as in TD3 (Fujimoto et al., 2018)."""

import gin
import tensorflow as tf

from dreamer_tf.behavior.critic import Critic
from dreamer_tf.networks.parts import CriticPart


@gin.configurable
class TwinCritic(CriticPart):
    """Both learn from the same targets; targets and baseline use the smaller value."""

    def __init__(self, features, *, name, rng, precision):
        super().__init__(precision)
        sizes = {"rng": rng, "precision": precision}
        self.twins = [Critic(features, name=f"{name}.{twin}", **sizes) for twin in "ab"]

    def value(self, features):
        return tf.minimum(*(critic.value(features) for critic in self.twins))

    def log_prob(self, features, target):
        (first, a), (second, b) = (critic.log_prob(features, target) for critic in self.twins)
        return first + second, tf.minimum(a, b)
