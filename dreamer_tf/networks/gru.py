"""The recurrent cell of the RSSM."""

import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.networks import layers


class GRUCell(keras.layers.Layer):
    """GRU with one layer norm over all three gates (paper 2.1; "Layer norm" in Appendix C).

        reset, candidate, update = split(norm(W [input, state] + b))
        candidate = tanh(sigmoid(reset) * candidate)
        update    = sigmoid(update - 1)
        state'    = update * candidate + (1 - update) * state

    The reset gate scales the candidate after the state was mixed in.
    """

    UPDATE_BIAS = -1.0  # an untrained cell mostly keeps its state
    NORM_EPSILON = 1e-3  # Keras's default, which the authors' code uses

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        norm: bool,
        rng: np.random.Generator,
        precision: layers.Precision,
        name: str,
    ):
        """Builds the cell.

        Args:
          inputs: I, size of the inputs.
          units: D, size of the state.
          norm: whether there is a layer norm.
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          name: prefix of the weights' names.
        """
        super().__init__(dtype=precision, name=name)
        self.linear = layers.dense(
            inputs + units, 3 * units, rng=rng, precision=precision, name=f"{name}.linear"
        )
        self._norm = None
        if norm:
            # Sums over 3D numbers are too coarse in 16 bits.
            self._norm = keras.layers.LayerNormalization(
                epsilon=self.NORM_EPSILON, dtype="float32", name=f"{name}.norm"
            )
            self._norm.build((None, 3 * units))
        self.built = True

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """One step: inputs [N, I], state [N, D] -> new state [N, D]."""
        return self.gates(self.linear(tf.concat([inputs, state], -1)), state)

    def gates(self, parts: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The cell after its linear map: outputs of it [N, 3D], state [N, D] -> state [N, D].

        Separate from `call`, because the RSSM computes the linear map in a way of its own.
        """
        if self._norm is not None:
            parts = tf.cast(self._norm(parts), state.dtype)
        reset, candidate, update = tf.split(parts, 3, -1)
        candidate = tf.tanh(tf.sigmoid(reset) * candidate)
        update = tf.sigmoid(update + tf.cast(self.UPDATE_BIAS, update.dtype))
        return update * candidate + (1 - update) * state
