"""The convolutions of encoder and decoder, in the layouts that suit a CPU.

All have stride 2, and those of the paper no padding. oneDNN computes the gradients of strided
convolutions slowly where there are few channels, and a transposed convolution is such a gradient.
Two changes of layout give the same map (`benchmarks/README.md` has the times):

* Pairs. Two neighbouring columns are two halves of the channels, [N, H, W, C] = [N, H, W/2, 2C],
  which moves no number. A kernel of k x k with stride (2, 2) is then one of k x k/2 with stride
  (2, 1), and the gradients have no gaps along a row.
* Tiles. The last transposed convolution has one output channel for a gray image. A tile of 2 x 8
  pixels depends on few neighbouring inputs. So it is an ordinary convolution with 16 channels.

Where there is a GPU, the convolutions are Keras's own.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.networks import placement
from dreamer_tf.networks.bias import add_bias

_TILE = 8  # columns of a tile; with two rows a gray image has 16 channels, one vector of AVX-512
_FEW = 4  # filters of a transposed convolution that is computed in tiles


def crop(images: tf.Tensor, stack: Sequence[keras.layers.Layer]) -> tf.Tensor:
    """Takes away rows and columns that no output of a stack of convolutions depends on.

    Of 64 columns the convolutions of the paper read 62, because 31 is odd. Without the others every
    layer has an even width and can compute in pairs.

    Args:
      images: [N, H, W, C].
      stack: the convolutions that follow.

    Returns:
      [N, H', W', C]; all of it where a layer is no `Convolution` or has padding, or where there is
      a GPU.
    """
    plain = (isinstance(layer, Convolution) and layer.padding == "valid" for layer in stack)
    if not placement.suits_cpu() or not all(plain):
        return images
    sizes = []
    for size in images.shape[1:3]:
        for layer in stack:
            size = (size - layer.kernel_size[0]) // 2 + 1
        for layer in reversed(stack):
            size = 2 * (size - 1) + layer.kernel_size[0]
        sizes.append(size)
    return images[:, : sizes[0], : sizes[1]]


class Convolution(keras.layers.Conv2D):
    """A convolution with stride 2; on a CPU over pairs of columns where the width is even."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[N, H, W, C] -> [N, H', W', filters]."""
        outputs = add_bias(self.convolution_op(inputs, self.kernel), self.bias)
        return self.activation(outputs)

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """[N, H, W, C] -> [N, H', W', filters], without bias and activation."""
        width = inputs.shape[2]
        pairs = self.padding == "valid" and _in_pairs(self.kernel_size[0], width)
        if not (placement.suits_cpu() and pairs):
            return super().convolution_op(inputs, kernel)
        kernel = tf.convert_to_tensor(kernel)
        size, _, channels, filters = kernel.shape
        return tf.nn.conv2d(
            tf.reshape(inputs, [-1, inputs.shape[1], width // 2, 2 * channels]),
            tf.reshape(kernel, [size, size // 2, 2 * channels, filters]),
            [2, 1],
            "VALID",
        )


class TransposedConvolution(keras.layers.Conv2DTranspose):
    """A transposed convolution with stride 2; on a CPU over pairs of columns or tiles."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[N, H, W, C] -> [N, H', W', filters]."""
        return self.activation(add_bias(self._linear(inputs), self.bias))

    def _linear(self, inputs: tf.Tensor) -> tf.Tensor:
        size, width = self.kernel_size[0], 2 * (inputs.shape[2] - 1) + self.kernel_size[0]
        kernel = tf.convert_to_tensor(self.kernel)
        pairs = self.padding == "valid" and _in_pairs(size, width)
        if not (placement.suits_cpu() and pairs):
            return keras.ops.conv_transpose(inputs, kernel, list(self.strides), self.padding)
        if self.filters <= _FEW and width % _TILE == 0 and inputs.shape[2] % 2 == 0:
            return tiled_transposed_convolution(inputs, kernel)
        return paired_transposed_convolution(inputs, kernel)


def paired_transposed_convolution(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A transposed convolution with stride 2 over pairs of columns of the output.

    Args:
      inputs: [N, H, W, C].
      kernel: [k, k, filters, C]; k is even.

    Returns:
      [N, H', W', filters] with H' = 2 (H - 1) + k.
    """
    size, _, filters, channels = kernel.shape
    height, width = (2 * (length - 1) + size for length in inputs.shape[1:3])
    batch = tf.shape(inputs)[0]
    outputs = tf.nn.conv2d_transpose(
        inputs,
        tf.reshape(kernel, [size, size // 2, 2 * filters, channels]),
        tf.stack([batch, height, width // 2, 2 * filters]),
        [2, 1],
        "VALID",
    )
    return tf.reshape(outputs, [-1, height, width, filters])


@tf.custom_gradient
def tiled_transposed_convolution(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple:
    """A transposed convolution with stride 2 and few filters, computed in tiles of the output.

    Output row 2 r + a gets kernel row 2 p + a of input row r - p, for a < 2 and p < k/2. Columns
    are alike. So the 2 x 8 pixels of a tile see k/2 rows and k/2 + 3 columns of the input.

    Args:
      inputs: [N, H, W, C]; W is even.
      kernel: [k, k, filters, C]; k is even, and W' a multiple of 8.

    Returns:
      [N, H', W', filters] with H' = 2 (H - 1) + k. The gradients are those of an ordinary
      transposed convolution.
    """
    size, _, filters, channels = kernel.shape
    phases, height, columns = size // 2, inputs.shape[1], inputs.shape[2]
    tiles = (2 * (columns - 1) + size) // _TILE
    left = phases - 1 + (phases - 1) % 2  # columns before the first, in whole pairs
    window = left + _TILE // 2 + (left + _TILE // 2) % 2
    right = (tiles - 1) * _TILE // 2 + window - left - columns
    outputs = tf.nn.conv2d(
        tf.reshape(inputs, [-1, height, columns // 2, 2 * channels]),
        _tile_kernel(kernel, left, window),
        [1, _TILE // 4],
        [[0, 0], [phases - 1] * 2, [left // 2, right // 2], [0, 0]],
    )  # [N, H'/2, W'/8, 2 * 8 * filters]
    rows = height + phases - 1
    outputs = tf.reshape(outputs, [-1, rows, tiles, 2, _TILE * filters])
    outputs = tf.transpose(outputs, [0, 1, 3, 2, 4])

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_inputs = tf.nn.conv2d(upstream, kernel, 2, "VALID")
        of_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=upstream,
            filter_sizes=kernel.shape,
            out_backprop=inputs,
            strides=[1, 2, 2, 1],
            padding="VALID",
        )
        return of_inputs, of_kernel

    return tf.reshape(outputs, [-1, 2 * rows, tiles * _TILE, filters]), gradient


def _tile_kernel(kernel: tf.Tensor, left: int, window: int) -> tf.Tensor:
    """[k, k, filters, C] -> [k/2, window/2, 2 C, 2 * 8 * filters], with zeros in between.

    Column u of a tile gets kernel column 2 q + b of column left + u // 2 - q of the window, where
    b = u % 2.
    """
    size, _, filters, channels = kernel.shape
    phases = size // 2
    places = np.zeros((phases, 2, window, _TILE), np.float32)
    for column in range(_TILE):
        for phase in range(phases):
            places[phase, column % 2, left + column // 2 - phase, column] = 1.0
    rows = tf.reverse(tf.reshape(kernel, [phases, 2, phases, 2, filters, channels]), [0])
    rows = tf.transpose(rows, [0, 1, 4, 5, 2, 3])  # [p, a, filters, C, q, b]
    rows = tf.reshape(rows, [-1, size]) @ tf.constant(places.reshape(size, -1), kernel.dtype)
    rows = tf.reshape(rows, [phases, 2, filters, channels, window, _TILE])
    rows = tf.transpose(rows, [0, 4, 3, 1, 5, 2])  # [p, window, C, a, u, filters]
    return tf.reshape(rows, [phases, window // 2, 2 * channels, 2 * _TILE * filters])


def _in_pairs(kernel: int, width: int | None) -> bool:
    """Whether kernel and the width of the larger image can be split into pairs of columns."""
    return width is not None and kernel % 2 == 0 and width % 2 == 0
