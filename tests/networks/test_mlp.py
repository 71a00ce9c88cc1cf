"""Hidden layers, then one linear layer per output."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks.mlp import MLP
from tests.small_models import settings


def test_outputs_are_those_of_the_formula():
    mlp = MLP(3, {"a": 2}, name="head", num_layers=1, units=4, **settings())
    kernel, bias, out_kernel, out_bias = (variable.numpy() for variable in mlp.variables)
    inputs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    hidden = inputs @ kernel + bias
    hidden = np.where(hidden > 0, hidden, np.exp(hidden) - 1)  # ELU
    np.testing.assert_allclose(mlp(inputs)["a"], hidden @ out_kernel + out_bias, atol=1e-5)


def test_every_output_has_its_own_size_and_names():
    mlp = MLP(3, {"a": 2, "b": 5}, name="head", num_layers=2, units=4, **settings())
    outputs = mlp(tf.zeros([7, 6, 3]))
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        "a": (7, 6, 2),
        "b": (7, 6, 5),
    }
    layers = ["head.dense0", "head.dense1", "head.a", "head.b"]
    expected = [f"{layer}/{weight}" for layer in layers for weight in ("kernel", "bias")]
    assert [variable.path for variable in mlp.variables] == expected


def test_leading_axes_do_not_change_the_values():
    mlp = MLP(3, {"a": 2}, name="head", num_layers=1, units=4, **settings())
    inputs = tf.random.stateless_normal([4, 5, 3], seed=[0, 1])
    flat = mlp(tf.reshape(inputs, [20, 3]))["a"]
    np.testing.assert_allclose(tf.reshape(mlp(inputs)["a"], [20, 2]), flat, rtol=1e-6)


@pytest.mark.parametrize("num_layers,size", [(0, 3), (2, 4)])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_hidden_size_and_precision_are_known_without_a_call(num_layers, size, precision):
    mlp = MLP(3, {}, name="head", num_layers=num_layers, units=4, **settings(precision))
    found = mlp.hidden(tf.zeros([2, 3]))
    assert mlp.output_size == found.shape[-1] == size
    assert mlp.compute_dtype == found.dtype.name == precision.removeprefix("mixed_")


def test_outputs_are_float32_in_mixed_precision():
    mlp = MLP(3, {"a": 2}, name="head", num_layers=1, units=4, **settings("mixed_float16"))
    assert mlp.hidden(tf.zeros([2, 3])).dtype == tf.float16
    assert mlp(tf.zeros([2, 3]))["a"].dtype == tf.float32
