"""Predictions of images and vectors."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.decoders import Decoder, ImageDecoder
from tests.helpers import bind
from tests.small_models import settings

VECTOR = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
IMAGE = gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)
SPACE = gymnasium.spaces.Dict({"image": IMAGE, "vector": VECTOR})


def make(space=SPACE, **sizes):
    bind("MLP.num_layers=1", "MLP.units=8")
    return Decoder(space, 6, depth=1, **sizes, **settings())


def test_means_have_the_shapes_of_the_observations():
    means = make().means(tf.zeros([2, 5, 6]))
    assert means["image"].shape == (2, 5, 64, 64, 1) and means["vector"].shape == (2, 5, 3)


def test_every_step_has_one_likelihood():
    distributions = make().distributions(tf.zeros([2, 5, 6]))
    assert distributions["image"].event_shape == (64, 64, 1)
    assert distributions["vector"].event_shape == (3,)
    for key, box in SPACE.spaces.items():
        assert distributions[key].log_prob(tf.zeros([2, 5, *box.shape])).shape == (2, 5)


def test_predictions_depend_on_the_features():
    decoder = make()
    features = tf.random.stateless_normal([2, 6], seed=[0, 1])
    for mean in decoder.means(features).values():
        assert (mean[0].numpy() != mean[1].numpy()).any()


def test_an_image_of_another_size_is_named_with_both_sizes():
    space = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (32, 32, 1), np.uint8)})
    with pytest.raises(UserError, match=r"images of 64x64 .* returns 32x32"):
        make(space, kernels=(5, 5, 6, 6))
    assert make(space).means(tf.zeros([2, 6]))["image"].shape == (2, 32, 32, 1)


def test_zeros_and_ones_are_a_bernoulli_between_minus_and_plus_one_half():
    planes = gymnasium.spaces.Box(0, 1, (7, 7, 5), bool)
    bits = gymnasium.spaces.Box(0, 1, (4,), bool)
    decoder = make(gymnasium.spaces.Dict({"planes": planes, "bits": bits, "vector": VECTOR}))
    features = tf.random.stateless_normal([2, 6], seed=[0, 1])
    means, distributions = decoder.means(features), decoder.distributions(features)
    for key, shape in (("planes", (7, 7, 5)), ("bits", (4,))):
        p = means[key].numpy() + 0.5
        assert (p > 0).all() and (p < 1).all() and p.shape == (2, *shape)
        ones = distributions[key].log_prob(tf.fill([2, *shape], 0.5))
        np.testing.assert_allclose(ones, np.log(p).reshape(2, -1).sum(1), rtol=1e-5)
        zeros = distributions[key].log_prob(tf.fill([2, *shape], -0.5))
        np.testing.assert_allclose(zeros, np.log(1 - p).reshape(2, -1).sum(1), rtol=1e-5)
    assert decoder.loss_floors["planes"] == decoder.loss_floors["bits"] == 0.0
    assert decoder.loss_floors["vector"] > 0.0


def test_patterns_choose_what_is_predicted():
    assert make(image_keys=()).keys == ["vector"]
    with pytest.raises(UserError, match=r"Decoder\.image_keys has the pattern 'camera'"):
        make(image_keys=("camera",))


def test_the_first_layer_is_a_transposed_convolution():
    """Of one position: the dense layer has its weights in another layout."""
    decoder = ImageDecoder(
        6, (13, 13, 1), name="d", depth=2, kernels=(5, 5), activation="elu", **settings()
    )
    decoder._first_bias.assign([0.5, -0.5])
    features = tf.random.stateless_normal([3, 6], seed=[0, 1])
    kernel = tf.reshape(decoder._first.kernel.value, [-1, 5, 5, 2])  # [in, h, w, out]
    first = tf.nn.conv2d_transpose(
        decoder._linear(features)[:, None, None],
        tf.transpose(kernel, [1, 2, 3, 0]),
        output_shape=[3, 5, 5, 2],
        strides=2,
        padding="VALID",
    )
    expected = decoder._convs[0](tf.nn.elu(first + decoder._first_bias.value))
    np.testing.assert_allclose(decoder(features), expected, atol=1e-5)
