"""Returns and weights against arrays made by hand, eager and compiled."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.behavior.returns import cumulative_weights, lambda_return


def constant(*values):
    return tf.constant(values, tf.float32)[:, None]  # [H, 1]


@pytest.fixture(params=["eager", "compiled"])
def compiled(request):
    return tf.function if request.param == "compiled" else lambda function: function


def test_one_step_targets(compiled):
    """lambda = 0: r + d * v of the next state; the last one bootstraps."""
    result = compiled(lambda_return)(
        constant(1, 2, 3), constant(10, 20, 30), constant(0.5, 0.5, 0.5), tf.constant([40.0]), 0.0
    )
    np.testing.assert_allclose(result[:, 0], [1 + 0.5 * 20, 2 + 0.5 * 30, 3 + 0.5 * 40])


def test_discounted_sum(compiled):
    """lambda = 1: values play no part but the bootstrap."""
    result = compiled(lambda_return)(
        constant(1, 2, 3), constant(99, 99, 99), constant(0.5, 0.5, 0.5), tf.constant([40.0]), 1.0
    )
    np.testing.assert_allclose(result[:, 0], [1 + 0.5 * (2 + 0.5 * 23), 2 + 0.5 * 23, 23])


def test_mixture_by_hand(compiled):
    result = compiled(lambda_return)(
        constant(1, 2), constant(10, 20), constant(0.9, 0.8), tf.constant([30.0]), 0.95
    )
    last = 2 + 0.8 * 30
    first = 1 + 0.9 * (0.05 * 20 + 0.95 * last)
    np.testing.assert_allclose(result[:, 0], [first, last], rtol=1e-6)


def test_terminal_cuts_what_follows(compiled):
    """A discount of 0 at a state ends the return with that state's reward."""
    result = compiled(lambda_return)(
        constant(1, 2, 3), constant(9, 9, 9), constant(1, 0, 1), tf.constant([1000.0]), 0.95
    )
    np.testing.assert_allclose(result[1, 0], 2.0)
    assert result[0, 0] < 20


def test_weights_hold_the_discounts_before_each_state(compiled):
    result = compiled(cumulative_weights)(constant(0.5, 0.0, 0.9, 0.9))
    np.testing.assert_allclose(result[:, 0], [1.0, 0.5, 0.0, 0.0])


def test_wrong_shapes_are_named():
    good, bootstrap = constant(1, 2), tf.constant([0.0])
    with pytest.raises(ValueError, match=r"value is float32 \(3, 1\)"):
        lambda_return(good, constant(1, 2, 3), good, bootstrap, 0.9)
    with pytest.raises(ValueError, match="bootstrap"):
        lambda_return(good, good, good, good, 0.9)
    with pytest.raises(ValueError, match="float16"):
        lambda_return(tf.cast(good, tf.float16), good, good, bootstrap, 0.9)
