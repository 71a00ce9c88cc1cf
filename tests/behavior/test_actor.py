"""The actor's distributions; the authors' numbers are in tests/parity."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.behavior.actor import Actor
from dreamer_tf.environments.interface import action_size
from tests.helpers import bind
from tests.small_models import settings

DISCRETE, BOX = gymnasium.spaces.Discrete(4), gymnasium.spaces.Box(-1, 1, (2, 3))
SEED = (1, 2)


def make(space, **options):
    bind("MLP.num_layers=1", "MLP.units=8")
    return Actor(5, space, **options, **settings())


def without_weights(actor):
    for variable in actor.variables:
        variable.assign(np.zeros(variable.shape))
    return actor


def features(*shape):
    return tf.random.stateless_normal([*shape, 5], SEED)


@pytest.mark.parametrize("space,size", [(DISCRETE, 4), (BOX, 6)])
def test_action_size_counts_actions_or_dimensions(space, size):
    assert action_size(space) == make(space).action_size == size


@pytest.mark.parametrize("space", [DISCRETE, BOX])
def test_every_state_has_a_policy_of_its_own(space):
    policy = make(space)(features(3, 7))
    size = action_size(space)
    assert policy.batch_shape == (3, 7) and policy.event_shape == (size,)
    assert policy.sample(seed=SEED).shape == (3, 7, size)
    assert policy.log_prob(policy.sample(seed=SEED)).shape == policy.entropy().shape == (3, 7)


def test_discrete_samples_are_one_hot():
    sample = make(DISCRETE)(features(50)).sample(seed=SEED).numpy()
    assert set(np.unique(sample)) == {0.0, 1.0}
    np.testing.assert_array_equal(sample.sum(-1), 1.0)


def test_an_untrained_discrete_actor_is_uniform():
    policy = without_weights(make(DISCRETE))(features(3))
    np.testing.assert_allclose(policy.probs_parameter(), np.full([3, 4], 0.25))


def test_continuous_samples_lie_inside_the_bounds():
    sample = make(BOX)(features(500)).sample(seed=SEED).numpy()
    assert np.abs(sample).max() < 1.0 and np.abs(sample).max() > 0.9


@pytest.mark.parametrize(
    "options,expected",
    [({}, 1.1), ({"minimum_std": 0.5}, 1.5), ({"initial_std": 100.0}, 2.1)],
)
def test_the_scale_follows_its_formula(options, expected):
    """2 sigmoid((raw + initial_std) / 2) + minimum_std, for a raw output of 0."""
    policy = without_weights(make(BOX, **options))(features(3)).distribution
    np.testing.assert_allclose(policy.loc, np.zeros([3, 6]))
    np.testing.assert_allclose(policy.scale, np.full([3, 6], expected), rtol=1e-6)


@pytest.mark.parametrize("space", [DISCRETE, BOX])
def test_samples_move_with_the_weights(space):
    """Dynamics backpropagation differentiates through the sampled action."""
    actor = make(space)
    variables = [variable.value for variable in actor.trainable_variables]
    with tf.GradientTape() as tape:
        sample = actor(features(20)).sample(seed=SEED)
        loss = tf.reduce_sum(sample * tf.random.stateless_normal(sample.shape, (3, 4)))
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, variables))
