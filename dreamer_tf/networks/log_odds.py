"""Where the logits of zeros and ones start: at how often each of them is one."""

import keras
import tensorflow as tf

from dreamer_tf.networks import replicas

_LEAST = 0.002  # probability; one batch makes nothing certain


class LogOdds(keras.layers.Layer):
    """Adds the log-odds that each element had in the first batch of training.

    Most elements of planes are nearly always zero. A network that begins with even odds spends its
    first hundred updates on one direction, "everything is less likely". Latents are noise on that
    way, so they become certain and equal for all observations, and a categorical that is certain
    hardly learns any more. With the log-odds in place there is nothing to gain but by seeing.
    """

    def __init__(self, shape: tuple[int, ...], *, name: str):
        """Starts with even odds.

        Args:
          shape: of one observation.
          name: unique name; it is the key of the weight in a checkpoint.
        """
        super().__init__(dtype="float32", name=name)
        # No optimizer changes it: the network itself can move every logit.
        self._log_odds = self.add_weight(
            shape=shape, initializer="zeros", trainable=False, name="log_odds"
        )
        self.built = True

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits [..., *shape] in any precision -> the same in float32, moved."""
        return logits + self._log_odds.value  # Keras has cast them

    def start(self, targets: tf.Tensor, update: tf.Tensor) -> None:
        """Takes over the log-odds of a batch, if it is the first one of a new model.

        Args:
          targets: [..., *shape], written as -0.5 and 0.5.
          update: number of the update.
        """
        axes = list(range(len(targets.shape) - len(self._log_odds.shape)))
        ones = replicas.mean(tf.reduce_mean(targets, axes)) + 0.5
        ones = tf.clip_by_value(ones, _LEAST, 1.0 - _LEAST)
        start = tf.math.log(ones / (1.0 - ones))
        before = self._log_odds.value
        # The weights of another run (`--init_from`) have theirs already.
        new = tf.equal(update, 0) & tf.reduce_all(tf.equal(before, 0.0))
        before.assign(tf.where(new, start, before))
