"""An optimizer of one's own: LaProp, which divides before it averages (Ziyin et al., 2020)."""

import gin
import tensorflow as tf

from dreamer_tf.networks.update_rules import UpdateRule


@gin.configurable
class LaProp(UpdateRule):
    """Adam's moments in the other order: the mean of gradients that are already scaled."""

    SLOTS = ("momentum", "velocity")

    def __init__(self, variables, *, beta_1=0.9, beta_2=0.99, epsilon=1e-8):
        super().__init__(variables)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update(self, weight, gradient, learning_rate, slots):
        step = tf.cast(self.iterations + 1, tf.float32)
        velocity = self._average(slots["velocity"], tf.square(gradient), self.beta_2, step)
        scaled = gradient / (tf.sqrt(velocity) + self.epsilon)
        momentum = self._average(slots["momentum"], scaled, self.beta_1, step)
        weight.assign_sub(learning_rate * momentum)

    def _average(self, slot, value, beta, step):
        """Renews a running mean, and corrects that it began at 0."""
        slot.assign(beta * slot + (1.0 - beta) * value)
        return slot / (1.0 - tf.pow(beta, step))
