"""The GRU cell against its formula; gradients are compared in tests/parity."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks.gru import GRUCell
from tests.small_models import settings


def make(norm=False, precision="float32"):
    return GRUCell(3, 4, norm=norm, name="gru", **settings(precision))


def arrays():
    rng = np.random.default_rng(0)
    return tf.constant(rng.normal(size=(5, 3)), tf.float32), tf.constant(
        rng.normal(size=(5, 4)), tf.float32
    )


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def test_without_weights_the_cell_mostly_keeps_its_state():
    cell = make()
    for variable in cell.variables:
        variable.assign(np.zeros(variable.shape))
    inputs, state = arrays()
    np.testing.assert_allclose(cell(inputs, state), (1.0 - sigmoid(-1.0)) * state, rtol=1e-5)


@pytest.mark.parametrize("norm", [True, False])
def test_new_state_is_that_of_the_formula(norm):
    cell = make(norm)
    inputs, state = arrays()
    parts = np.concatenate([inputs, state], -1) @ cell.linear.kernel.numpy()
    if norm:
        parts = parts - parts.mean(-1, keepdims=True)
        parts = parts / np.sqrt(parts.var(-1, keepdims=True) + 1e-3)
    reset, candidate, update = np.split(parts, 3, -1)
    update = sigmoid(update - 1.0)
    expected = update * np.tanh(sigmoid(reset) * candidate) + (1.0 - update) * state
    np.testing.assert_allclose(cell(inputs, state), expected, atol=1e-5)


def test_the_layer_norm_spans_all_three_gates():
    """It takes a common scale of the gates away, so a larger kernel changes little."""
    inputs, state = arrays()
    plain, normed = make(norm=False), make(norm=True)
    changes = []
    for cell in (plain, normed):
        before = cell(inputs, state)
        cell.linear.kernel.assign(cell.linear.kernel * 10.0)
        changes.append(float(tf.reduce_max(tf.abs(cell(inputs, state) - before))))
    assert changes[1] < 0.02 < changes[0]


def test_the_state_keeps_its_precision():
    cell = make(norm=True, precision="mixed_float16")
    inputs, state = (tf.cast(array, tf.float16) for array in arrays())
    assert cell(inputs, state).dtype == tf.float16
    assert all(variable.dtype == "float32" for variable in cell.variables)
