"""The actor's distributions; the authors' numbers are in tests/parity."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.behavior.actor import Actor
from dreamer_tf.environments.factored import FactoredActions
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


FACTORED = FactoredActions([2, 3], 2)
MASK = [False, True, True, False, True]


def test_a_masked_action_is_never_drawn():
    """A million draws; where everything is masked, everything is allowed."""
    bind("MLP.num_layers=1", "MLP.units=8")
    actor = Actor(5, gymnasium.spaces.Discrete(4), **settings())
    features = tf.random.stateless_normal([1_000_000, 5], seed=[0, 1]) * 5.0
    mask = tf.tile([[True, False, True, False]], [1_000_000, 1])
    policy = actor(features, mask)
    drawn = tf.reduce_sum(policy.sample(seed=[1, 2]), 0).numpy()
    assert drawn[1] == drawn[3] == 0 and drawn[0] > 1000 and drawn[2] > 1000
    assert not tf.reduce_any(policy.mode()[:, 1] + policy.mode()[:, 3] > 0)
    entropy = policy.entropy().numpy()
    assert np.isfinite(entropy).all() and (entropy <= np.log(2.0) + 1e-5).all()
    few = features[:500]
    free = actor(few, tf.zeros([500, 4], tf.bool))
    np.testing.assert_array_equal(free.logits_parameter(), actor(few).logits_parameter())


def test_parts_are_independent_and_masked_each():
    bind("MLP.num_layers=1", "MLP.units=8")
    actor = Actor(5, FACTORED, **settings())
    assert actor.action_size == 7 and not actor.discrete
    features = tf.random.stateless_normal([1000, 5], seed=[0, 1])
    policy = actor(features, tf.tile([MASK], [1000, 1]))
    for action in (policy.sample(seed=[1, 2]), policy.mode()):
        assert action.shape == (1000, 7)
        np.testing.assert_array_equal(tf.reduce_sum(action[:, :2], -1), 1.0)
        np.testing.assert_array_equal(tf.reduce_sum(action[:, 2:5], -1), 1.0)
        assert (action.numpy()[:, [0, 3]] == 0).all() and (np.abs(action[:, 5:]) < 1).all()
        likelihood = policy.log_prob(action)
        parts = zip(policy._parts, tf.split(action, [2, 3, 2], -1), strict=True)
        expected = sum(part.log_prob(value) for part, value in parts)
        assert likelihood.shape == (1000,) and np.isfinite(likelihood).all()
        np.testing.assert_allclose(likelihood, expected)
    assert policy.entropy().shape == (1000,)


def test_gradients_pass_through_all_parts():
    bind("MLP.num_layers=1", "MLP.units=8")
    actor = Actor(5, FACTORED, **settings())
    features = tf.random.stateless_normal([4, 5], seed=[0, 1])
    weights = [variable.value for variable in actor.trainable_variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(actor(features).sample(seed=[1, 2]) * tf.range(7.0))
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, weights))
