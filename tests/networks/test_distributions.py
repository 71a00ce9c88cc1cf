"""Sampling: exact one-hots, probabilities, bounds, gradients, reproducibility."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks import placement
from dreamer_tf.networks.distributions import (
    MaskedOneHot,
    StraightThroughBernoulli,
    StraightThroughOneHot,
    TruncatedNormal,
    one_hot,
    tfd,
    unit_normal,
)

SEED = (1, 2)


def test_one_hot_is_a_tfp_independent():
    distribution = one_hot(tf.zeros([5, 3, 4]))
    assert isinstance(distribution, tfd.Independent)
    assert isinstance(distribution.distribution, tfd.OneHotCategorical)
    assert distribution.batch_shape == (5,) and distribution.event_shape == (3, 4)


@pytest.mark.parametrize("cpu", [True, False])
def test_one_hot_samples_are_exact_and_follow_the_probabilities(cpu, monkeypatch):
    monkeypatch.setattr(placement, "suits_cpu", lambda: cpu)
    logits = tf.math.log(tf.constant([0.1, 0.2, 0.7]))
    sample = one_hot(tf.tile(logits[None, None], [20_000, 1, 1])).sample(seed=SEED).numpy()
    assert set(np.unique(sample)) == {0.0, 1.0}
    np.testing.assert_array_equal(sample.sum(-1), 1.0)
    np.testing.assert_allclose(sample.mean((0, 1)), [0.1, 0.2, 0.7], atol=0.02)


@pytest.mark.parametrize("number", [0.0, 1.0 - 2.0**-23])
def test_the_smallest_and_the_largest_uniform_number_belong_to_a_class(number, monkeypatch):
    """Also where the sum of the probabilities is rounded."""
    monkeypatch.setattr(placement, "suits_cpu", lambda: True)
    monkeypatch.setattr(
        tf.random, "stateless_uniform", lambda shape, seed: tf.fill(shape, np.float32(number))
    )
    logits = tf.random.stateless_normal([500, 32], seed=SEED) * 10.0
    sample = StraightThroughOneHot(logits=logits, dtype=tf.float32).sample(seed=SEED).numpy()
    np.testing.assert_array_equal(sample.sum(-1), 1.0)


@pytest.mark.parametrize("count", [(), (5,)])
def test_samples_have_the_gradient_of_the_probabilities(count):
    logits, weight = tf.constant([[0.5, -1.0, 0.0]]), tf.constant([1.0, 2.0, 4.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        distribution = StraightThroughOneHot(logits=logits, dtype=tf.float32)
        loss = tf.reduce_sum(distribution.sample(count, seed=SEED) * weight)
        expected = (count or (1,))[0] * tf.reduce_sum(tf.nn.softmax(logits) * weight)
    np.testing.assert_allclose(
        tape.gradient(loss, logits), tape.gradient(expected, logits), rtol=1e-5
    )


def test_binary_gradient_is_that_of_the_probability():
    logits = tf.constant([0.5, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = StraightThroughBernoulli(logits=logits, dtype=tf.float32).sample(seed=SEED)
    probability = 1 / (1 + np.exp(-logits.numpy()))
    assert set(sample.numpy()) <= {0.0, 1.0}
    np.testing.assert_allclose(
        tape.gradient(sample, logits), probability * (1 - probability), rtol=1e-5
    )


def test_truncated_normal_stays_inside_and_keeps_its_gradient():
    loc, scale = tf.constant([0.0, 0.999]), tf.constant([2.0, 0.1])
    with tf.GradientTape() as tape:
        tape.watch(loc)
        sample = TruncatedNormal(loc, scale, low=-1.0, high=1.0).sample(500, seed=SEED)
    assert np.abs(sample).max() <= 1 - 1e-6
    assert (tape.gradient(sample, loc).numpy() > 0).all()


@pytest.mark.parametrize("compiled", [False, True])
def test_a_seed_fixes_the_sample(compiled):
    def draw(seed):
        return one_hot(tf.zeros([50, 3, 4])).sample(seed=seed)

    draw = tf.function(draw) if compiled else draw
    np.testing.assert_array_equal(draw(tf.constant(SEED)), draw(tf.constant(SEED)))
    assert (draw(tf.constant(SEED)).numpy() != draw(tf.constant([1, 3])).numpy()).any()


def test_unit_normal_is_a_squared_error_and_a_constant():
    mean, value = tf.constant([[1.0, 2.0], [0.0, 0.0]]), tf.constant([[1.0, 4.0], [3.0, 0.0]])
    constant = 2 * 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(
        unit_normal(mean, 1).log_prob(value), [-2.0 - constant, -4.5 - constant], rtol=1e-6
    )


def test_unit_normal_computes_in_float32():
    assert unit_normal(tf.zeros([2, 3], tf.float16), 1).log_prob(tf.zeros([2, 3])).shape == (2,)
    assert unit_normal(tf.zeros([2, 3], tf.float16), 0).dtype == tf.float32


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("count", [(), (1,), (5,)])
def test_one_hot_samples_are_those_of_tfp_beside_a_gpu(shape, count, monkeypatch):
    monkeypatch.setattr(placement, "suits_cpu", lambda: False)
    logits = tf.random.stateless_normal(shape, SEED)
    ours = StraightThroughOneHot(logits=logits, dtype=tf.float32).sample(count, seed=SEED)
    theirs = tfd.OneHotCategorical(logits=logits, dtype=tf.float32).sample(count, seed=SEED)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.shape == theirs.shape


def test_a_class_without_probability_is_never_drawn():
    """Wherever it stands, and however small the others are."""
    logits = tf.constant([-1e9, -30.0, -1e9, 0.0, -1e9])
    many = MaskedOneHot(logits=tf.tile(logits[None], [1_000_000, 1]), dtype=tf.float32)
    counts = tf.reduce_sum(many.sample(seed=[1, 2]), 0).numpy()
    assert counts[0] == counts[2] == counts[4] == 0 and counts.sum() == 1_000_000
    pair = MaskedOneHot(logits=[[0.0, 0.0, -1e9], [-1e9, 0.0, -1e9]], dtype=tf.float32)
    drawn = pair.sample(1000, seed=[1, 2]).numpy()
    assert drawn.shape == (1000, 2, 3) and (drawn.sum(-1) == 1).all()
    assert 400 < drawn[:, 0, 0].sum() < 600 and drawn[:, 1, 1].sum() == 1000
