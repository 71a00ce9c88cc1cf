"""Gradients of biases in 16 bits are those of 32 bits, whatever the number of rows."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks import bias, images, layers
from dreamer_tf.networks.decoders import ImageDecoder
from dreamer_tf.world_model.rssm import LoopDense
from tests.small_models import settings

PRECISIONS = ["mixed_float16", "mixed_bfloat16"]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
def test_the_sum_of_many_ones_is_their_number(dtype):
    found = bias.wide_sum(tf.ones([50, 40, 3], dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy().astype(float), 2000.0, rtol=0.01)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
def test_a_bias_is_added_to_the_last_axis(dtype):
    outputs = tf.reshape(tf.range(12.0), [2, 2, 3])
    found = bias.add_bias(tf.cast(outputs, dtype), tf.constant([1.0, 2.0, 3.0]))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), outputs.numpy() + [1.0, 2.0, 3.0])


def any_size(settings):
    decoder = images.AnySizeDecoder(3, (6, 8, 2), name="a", depth=2, activation="elu", **settings)
    return decoder._convs[-1]


def paper_size(settings):
    sizes = {"depth": 2, "kernels": (5, 5, 6, 6), "activation": "elu"}
    return ImageDecoder(3, (64, 64, 1), name="a", **sizes, **settings)


LAYERS = {
    "dense": (lambda s: layers.dense(3, 4, name="a", **s), (4000, 3)),
    "conv": (lambda s: layers.conv(3, 4, 4, name="a", activation=None, **s), (50, 20, 20, 3)),
    "conv_transpose": (
        lambda s: layers.conv_transpose(3, 4, 6, name="a", activation=None, **s),
        (20, 5, 5, 3),
    ),
    "one channel": (
        lambda s: layers.conv_transpose(3, 1, 6, name="a", activation=None, **s),
        (8, 30, 30, 3),
    ),
    "any size": (any_size, (50, 3, 4, 2)),
    "first bias": (paper_size, (400, 3)),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_of_a_bias_is_that_of_32_bits(name, precision):
    """Upstream gradients of ones: in bfloat16 their sum ended at 256."""
    make, shape = LAYERS[name]
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    gradients = []
    for policy in ("float32", precision):
        layer = make(settings(policy))
        weight = layer._first_bias if name == "first bias" else layer.bias
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.cast(layer(tf.cast(inputs, layer.compute_dtype)), tf.float32))
        gradients.append(tape.gradient(total, weight.value).numpy())
    exact, found = gradients
    if name != "first bias":
        assert exact.min() > 1000
    np.testing.assert_allclose(found, exact, rtol=0.05, atol=0.05 * np.abs(exact).max())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_layer_in_a_loop_sums_in_32_bits_too(precision):
    """`LoopDense` computes the gradient of its bias itself."""
    dtype = precision.removeprefix("mixed_")
    layer = layers.dense(3, 4, name="a", **settings(precision))
    with tf.GradientTape() as tape:
        loop = LoopDense(layer, 1000, 2, dtype)
        loop.inputs = tf.zeros([1000, 2, 3], dtype)
        total = tf.reduce_sum(tf.cast(loop.probe, tf.float32))
    found = tape.gradient(total, layer.bias.value)
    np.testing.assert_allclose(np.asarray(found, np.float32), 2000.0, rtol=0.01)
