"""The layouts for a CPU compute what Keras's own layers compute, with the same gradients."""

import gymnasium
import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks import convolutions, layers, placement
from dreamer_tf.networks.encoders import Encoder
from tests.helpers import bind
from tests.small_models import settings

# Shape of the input, (channels, filters, kernel). The paper's are the second ones of each kind.
CONVOLUTIONS = [
    ((2, 12, 10, 3), (3, 5, 4)),
    ((2, 62, 62, 1), (1, 2, 4)),
    ((2, 9, 6, 2), (2, 4, 6)),
    ((2, 9, 9, 2), (2, 5, 4)),  # an odd width: no pairs
]
TRANSPOSED = [
    ((2, 13, 13, 4), (4, 6, 6)),
    ((2, 30, 30, 2), (2, 1, 6)),  # tiles
    ((2, 30, 30, 2), (2, 3, 6)),
    ((2, 4, 31, 3), (3, 1, 4)),  # an odd width of the input: no tiles
    ((2, 3, 15, 3), (3, 2, 4)),
    ((2, 3, 10, 3), (3, 1, 14)),
    ((2, 14, 14, 3), (3, 1, 12)),
    ((2, 5, 5, 4), (4, 2, 5)),  # an odd kernel: no pairs
]


def cases():
    for make, shapes in ((layers.conv, CONVOLUTIONS), (layers.conv_transpose, TRANSPOSED)):
        for shape, sizes in shapes:
            yield make, shape, sizes


def with_gradients(layer, inputs, *, cpu, monkeypatch):
    """Outputs, and gradients of inputs and weights."""
    monkeypatch.setattr(placement, "suits_cpu", lambda: cpu)
    weights = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
    return [outputs, *tape.gradient(loss, [inputs, *weights])]


@pytest.mark.parametrize("make,shape,sizes", list(cases()))
def test_both_layouts_are_the_same_map(make, shape, sizes, monkeypatch):
    layer = make(*sizes, name="x", activation="elu", **settings())
    layer.bias.assign(np.linspace(-1, 1, sizes[1]))
    inputs = tf.random.stateless_normal(shape, seed=[0, 1])
    expected = with_gradients(layer, inputs, cpu=False, monkeypatch=monkeypatch)
    found = with_gradients(layer, inputs, cpu=True, monkeypatch=monkeypatch)
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5 * np.abs(right).max())


@pytest.mark.parametrize("make,shape,sizes", [(layers.conv_transpose, *TRANSPOSED[1])])
def test_both_layouts_are_the_same_map_in_16_bits(make, shape, sizes, monkeypatch):
    policy = keras.DTypePolicy("mixed_bfloat16")
    layer = make(*sizes, name="x", activation=None, **settings() | {"precision": policy})
    inputs = tf.random.stateless_normal(shape, seed=[0, 1])
    expected = with_gradients(layer, inputs, cpu=False, monkeypatch=monkeypatch)
    found = with_gradients(layer, inputs, cpu=True, monkeypatch=monkeypatch)
    for left, right in zip(found, expected, strict=True):
        assert left.dtype == right.dtype
        left, right = tf.cast(left, tf.float32), tf.cast(right, tf.float32)
        np.testing.assert_allclose(left, right, atol=2e-2 * np.abs(right).max())


@pytest.mark.parametrize("gpus", [[], ["GPU:0"]])
def test_a_gpu_gets_keras_own_convolutions(gpus, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
    assert placement.suits_cpu() == (not gpus)
    computed = []
    monkeypatch.setattr(
        keras.layers.Conv2D, "convolution_op", lambda self, x, w: computed.append("keras") or x
    )
    monkeypatch.setattr(
        keras.ops, "conv_transpose", lambda x, *_: computed.append("keras") or x[..., :1]
    )
    layers.conv(1, 1, 4, name="c", activation=None, **settings())(tf.zeros([1, 6, 6, 1]))
    layers.conv_transpose(2, 1, 6, name="t", activation=None, **settings())(tf.zeros([1, 6, 6, 2]))
    assert computed == ["keras", "keras"] * len(gpus)


def test_an_encoder_needs_no_more_pixels_than_it_reads(monkeypatch):
    bind("MLP.num_layers=1", "MLP.units=8")
    box = gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)
    encoder = Encoder(gymnasium.spaces.Dict({"image": box}), depth=2, **settings())
    image = tf.random.stateless_normal([2, 64, 64, 1], seed=[0, 1])
    assert convolutions.crop(image, encoder._convs["image"]).shape == (2, 62, 62, 1)
    found = encoder({"image": image})
    monkeypatch.setattr(placement, "suits_cpu", lambda: False)
    assert convolutions.crop(image, encoder._convs["image"]) is image
    np.testing.assert_allclose(found, encoder({"image": image}), atol=1e-6)


def test_nothing_is_cropped_before_layers_of_another_kind():
    image = tf.zeros([1, 63, 63, 1])
    assert convolutions.crop(image, [keras.layers.Conv2D(1, 4, strides=2)]) is image
