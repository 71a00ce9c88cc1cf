"""An encoder with residual blocks: every convolution of the encoder gets one."""

import gin
import keras
import tensorflow as tf

from dreamer_tf.networks.parts import EncoderPart


@gin.configurable
class ResNetEncoder(EncoderPart):
    """Halves the image `blocks` times and adds a residual block each time."""

    def __init__(self, observation_space, *, rng, precision, depth=16, blocks=4):
        super().__init__(precision)
        height, width, channels = observation_space["image"].shape
        self._layers = []
        for block in range(blocks):
            filters = depth * 2**block
            self._layers.append(
                [
                    self._conv(rng, channels, filters, 2, f"resnet{block}.halve"),
                    self._conv(rng, filters, filters, 1, f"resnet{block}.one"),
                    self._conv(rng, filters, filters, 1, f"resnet{block}.two"),
                ]
            )
            channels, height, width = filters, (height + 1) // 2, (width + 1) // 2
        self.size = height * width * channels

    def _conv(self, rng, inputs, filters, stride, name):
        seed = keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))
        settings = {"kernel_initializer": seed, "dtype": self._precision, "name": name}
        layer = keras.layers.Conv2D(filters, 3, stride, padding="same", **settings)
        layer.build((None, None, None, inputs))
        return layer

    def __call__(self, observation):
        """[N, H, W, C] -> [N, size]."""
        x = observation["image"]
        for halve, one, two in self._layers:
            x = halve(x)
            x += two(tf.nn.elu(one(tf.nn.elu(x))))
        return tf.reshape(tf.nn.elu(x), [-1, self.size])
