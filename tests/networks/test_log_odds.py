"""Logits of zeros and ones start at the log-odds of the first batch, and only of that."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks.log_odds import LogOdds
from tests.several_devices import on_devices
from tests.small_models import configure, make_learner, sequences

FIRST = np.array([[0.5, -0.5, -0.5], [0.5, -0.5, 0.5], [0.5, -0.5, 0.5], [0.5, -0.5, 0.5]])
EVEN = [0.0, 0.0, 0.0]


def make(shape=(3,)):
    return LogOdds(shape, name="planes")


def test_even_odds_before_the_first_update():
    np.testing.assert_array_equal(make()(tf.constant([1.0, 2.0, 3.0])), [1.0, 2.0, 3.0])


def test_the_first_batch_decides_and_later_ones_do_not():
    layer = make()
    layer.start(tf.constant(FIRST, tf.float32), tf.constant(0, tf.int64))
    expected = [np.log(0.998 / 0.002), np.log(0.002 / 0.998), np.log(0.75 / 0.25)]
    np.testing.assert_allclose(layer(tf.constant(EVEN)), expected, rtol=1e-4)
    layer.start(tf.constant(-FIRST, tf.float32), tf.constant(1, tf.int64))
    np.testing.assert_allclose(layer(tf.constant(EVEN)), expected, rtol=1e-4)


def test_weights_of_another_run_keep_theirs():
    layer = make()
    layer.variables[0].assign([0.0, 1.0, -1.0])
    layer.start(tf.constant(FIRST, tf.float32), tf.constant(0, tf.int64))
    np.testing.assert_array_equal(layer(tf.constant(EVEN)), [0.0, 1.0, -1.0])


@pytest.mark.parametrize("shape", [(4, 3), (2, 2, 3)])
def test_all_leading_axes_are_observations(shape):
    targets = np.broadcast_to(FIRST[:, None], (4, 5, 3))[..., None, :].repeat(shape[0], 2)
    layer = make((shape[0], 3))
    layer.start(tf.constant(targets, tf.float32), tf.constant(0, tf.int64))
    assert layer(tf.zeros([7, 2, shape[0], 3])).shape == (7, 2, shape[0], 3)
    np.testing.assert_allclose(layer(tf.zeros([shape[0], 3]))[:, 2], np.log(3.0), rtol=1e-4)


def test_logits_are_float32_whatever_the_network_computes_in():
    layer = make()
    layer.start(tf.constant(FIRST, tf.float32), tf.constant(0, tf.int64))
    logits = layer(tf.constant(EVEN, tf.float16))
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits[0], np.log(0.998 / 0.002), rtol=1e-5)


def test_no_optimizer_changes_them_and_a_checkpoint_has_them():
    layer = make()
    assert [v.path for v in layer.variables] == ["planes/log_odds"]
    assert layer.trainable_variables == []


def test_a_learner_takes_them_from_its_first_batch():
    configure()
    learner = make_learner(planes=(5, 5, 2))
    log_odds = learner.variables()["decoder.planes.ones/log_odds"]
    first = sequences(planes=(5, 5, 2))
    learner.update(first)
    rates = np.clip(first.observation["planes"].mean((0, 1)), 0.002, 0.998)
    np.testing.assert_allclose(log_odds.numpy(), np.log(rates / (1 - rates)), rtol=1e-4)
    learner.update(sequences(seed=1, planes=(5, 5, 2)))
    np.testing.assert_allclose(log_odds.numpy(), np.log(rates / (1 - rates)), rtol=1e-4)


def test_the_batch_is_that_of_all_devices(tmp_path):
    for count in (1, 2):
        on_devices(count, "planes", tmp_path / f"{count}.npy")
    one, two = (np.load(tmp_path / f"{count}.npy") for count in (1, 2))
    np.testing.assert_allclose(two, one, rtol=1e-5)
    assert len(np.unique(one.round(4))) > 3
