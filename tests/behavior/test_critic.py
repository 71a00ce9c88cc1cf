"""The critic: shapes, names and the likelihood of targets."""

import numpy as np
import tensorflow as tf

from dreamer_tf.behavior.critic import Critic
from tests.small_models import settings


def test_values_are_means_of_a_unit_normal():
    critic = Critic(5, name="critic", **settings())
    features = tf.constant(np.random.default_rng(0).normal(size=(4, 3, 5)), tf.float32)
    target = tf.ones([4, 3])
    log_prob, value = critic.log_prob(features, target)
    assert value.shape == log_prob.shape == (4, 3) and value.dtype == tf.float32
    np.testing.assert_array_equal(value, critic.value(features))
    expected = -0.5 * (1.0 - value) ** 2 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)


def test_weights_have_the_name_of_their_critic():
    """A checkpoint stores both, by name."""
    for name in ("critic", "target_critic"):
        critic = Critic(5, name=name, **settings())
        assert critic.variables and all(v.path.startswith(name) for v in critic.variables)
