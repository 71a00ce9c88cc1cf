"""Layers are built at once, with weights that the seed fixes."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks import layers
from tests.small_models import settings


def test_weights_exist_before_the_first_call():
    layer = layers.dense(5, 7, name="a", **settings())
    assert [weight.path for weight in layer.variables] == ["a/kernel", "a/bias"]
    assert layer.kernel.shape == (5, 7)


def test_the_generator_fixes_the_weights():
    def kernels():
        given = settings(seed=3)
        return [layers.dense(5, 7, name="a", **given).kernel.numpy() for _ in range(2)]

    first, second = kernels()
    np.testing.assert_array_equal([first, second], kernels())
    assert (first != second).all()


@pytest.mark.parametrize("fan_in", [None, 1000])
def test_dense_weights_fill_the_range_of_their_fans(fan_in):
    """A part of a larger map is initialized like the whole map."""
    layer = layers.dense(100, 100, name="a", fan_in=fan_in, **settings())
    limit = np.sqrt(6.0 / ((fan_in or 100) + 100))
    assert 0.95 * limit < np.abs(layer.kernel.numpy()).max() <= limit


def test_without_a_bias_zeros_stay_zeros():
    layer = layers.dense(2, 3, name="a", use_bias=False, **settings())
    assert len(layer.variables) == 1
    np.testing.assert_array_equal(layer(tf.zeros([4, 2])), np.zeros([4, 3]))


@pytest.mark.parametrize(
    "make,size,expected", [(layers.conv, 64, 31), (layers.conv_transpose, 5, 12)]
)
def test_convolutions_have_stride_two_and_no_padding(make, size, expected):
    layer = make(1, 2, 4, name="a", activation=None, **settings())
    assert layer(tf.zeros([1, size, size, 1])).shape == (1, expected, expected, 2)


def test_mixed_precision_computes_in_16_bits_and_stores_32():
    layer = layers.dense(2, 3, name="a", **settings("mixed_float16"))
    assert layer.kernel.dtype == "float32"
    assert layer(tf.zeros([4, 2])).dtype == tf.float16
