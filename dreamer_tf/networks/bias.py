"""Biases whose gradients are summed in 32 bits, also where the networks compute in 16.

The gradient of a bias is a sum over all rows of a batch, tens of thousands of them. On a CPU,
TensorFlow adds them up in the precision of the rows. In bfloat16 a sum of ones ends at 256, because
257 is no number of that type.
"""

import keras
import tensorflow as tf


def wide_sum(rows: tf.Tensor) -> tf.Tensor:
    """Sums all axes but the last one in 32 bits: [..., C] -> [C] in the precision of the rows."""
    axes = list(range(rows.shape.rank - 1))
    return tf.cast(tf.reduce_sum(tf.cast(rows, tf.float32), axes), rows.dtype)


def add_bias(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias.

    Args:
      outputs: [..., C] of a linear map.
      bias: [C], in any precision.

    Returns:
      [..., C] in the precision of the outputs.
    """
    bias = tf.cast(bias, outputs.dtype)
    if outputs.dtype == tf.float32:
        shape = (1,) * (outputs.shape.rank - 1) + (outputs.shape[-1],)
        # As in Keras's layers. The gradient of a single bias is then summed as exactly as others.
        return keras.ops.add(outputs, keras.ops.reshape(bias, shape))
    return _add_in_16_bits(outputs, bias)


@tf.custom_gradient
def _add_in_16_bits(outputs: tf.Tensor, bias: tf.Tensor) -> tuple:
    return tf.nn.bias_add(outputs, bias), lambda upstream: (upstream, wide_sum(upstream))
