"""Images of any size through the encoder and back."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks.decoders import Decoder
from dreamer_tf.networks.encoders import Encoder
from dreamer_tf.networks.images import halvings
from tests.small_models import settings


@pytest.mark.parametrize(
    ("size", "last", "count"),
    [
        ((2, 2), (1, 1), 2),
        ((7, 7), (2, 2), 2),
        ((10, 10), (3, 3), 2),
        ((64, 64), (4, 4), 4),
        ((84, 84), (3, 3), 5),
        ((210, 160), (4, 3), 6),
    ],
)
def test_sizes_are_halved_until_they_are_small(size, last, count):
    sizes = halvings(*size)
    assert sizes[0] == size and sizes[-1] == last and len(sizes) == count + 1


@pytest.mark.parametrize("shape", [(2, 3, 1), (7, 7, 20), (10, 10, 4), (63, 65, 3), (210, 160, 3)])
def test_an_image_of_any_size_is_embedded_and_predicted(shape):
    space = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, shape, np.uint8)})
    encoder = Encoder(space, depth=2, **settings())
    image = tf.random.stateless_uniform([2, *shape], seed=[0, 1])
    embedding = encoder({"image": image})
    assert embedding.shape == (2, encoder.size)
    # The last pixel is within somebody's field of view.
    last = np.zeros((2, *shape), np.float32)
    last[:, -1, -1, -1] = 1.0
    assert (encoder({"image": image + last}).numpy() != embedding.numpy()).any()
    decoder = Decoder(space, 6, depth=2, **settings())
    means = decoder.means(tf.random.stateless_normal([2, 3, 6], seed=[0, 1]))["image"]
    assert means.shape == (2, 3, *shape)
    assert (means[0, 0].numpy() != means[0, 1].numpy()).any()


def test_channels_double_up_to_eight_times_the_depth():
    space = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (210, 160, 1), np.uint8)})
    kernels = [v for v in Encoder(space, depth=2, **settings()).variables if "kernel" in v.path]
    assert [kernel.shape[-1] for kernel in kernels] == [2, 4, 8, 16, 16, 16]
