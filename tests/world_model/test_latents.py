"""Latent variables: sizes, parameters, distributions, features."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.distributions import tfd
from dreamer_tf.world_model.latents import BinaryLatent, CategoricalLatent, GaussianLatent

LATENTS = {
    "categorical": (CategoricalLatent(3, 4), (3, 4)),
    "gaussian": (GaussianLatent(5), (5,)),
    "binary": (BinaryLatent(6), (6,)),
}
SEED = (1, 2)


@pytest.mark.parametrize("latent,event", LATENTS.values(), ids=LATENTS)
def test_sizes_match_what_the_methods_return(latent, event):
    parameters = latent.parameters(tf.zeros([2, 7, latent.parameter_size]))
    assert parameters.shape == (2, 7, *latent.parameter_shape)
    distribution = latent.distribution(parameters)
    assert distribution.batch_shape == (2, 7) and distribution.event_shape == event
    features = latent.flatten(distribution.sample(seed=SEED))
    assert features.shape == (2, 7, latent.size)


@pytest.mark.parametrize("latent,event", LATENTS.values(), ids=LATENTS)
def test_parameters_are_float32_in_mixed_precision(latent, event):
    outputs = tf.zeros([2, latent.parameter_size], tf.float16)
    assert latent.parameters(outputs).dtype == tf.float32


@pytest.mark.parametrize("latent,event", LATENTS.values(), ids=LATENTS)
def test_samples_pass_gradients_to_the_outputs(latent, event):
    outputs = tf.random.stateless_normal([2, latent.parameter_size], SEED)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        sample = latent.distribution(latent.parameters(outputs)).sample(seed=SEED)
        weights = tf.random.stateless_normal(sample.shape, seed=(3, 4))
        loss = tf.reduce_sum(weights * sample)
    assert (np.abs(tape.gradient(loss, outputs)) > 0).mean() > 0.9


@pytest.mark.parametrize("latent,event", LATENTS.values(), ids=LATENTS)
def test_divergence_is_zero_only_between_equal_parameters(latent, event):
    outputs = tf.random.stateless_normal([2, latent.parameter_size], SEED)
    same, other = (latent.distribution(latent.parameters(x)) for x in (outputs, -outputs))
    np.testing.assert_allclose(tfd.kl_divergence(same, same), [0.0, 0.0], atol=1e-6)
    assert (tfd.kl_divergence(same, other).numpy() > 0.1).all()


def test_categorical_logits_and_features_are_in_the_same_order():
    latent, _ = LATENTS["categorical"]
    outputs = tf.one_hot([1, 4 + 2, 8 + 3], 12)
    outputs = 100.0 * tf.reduce_sum(outputs, 0)[None]  # classes 1, 2 and 3 of the variables
    sample = latent.distribution(latent.parameters(outputs)).sample(seed=SEED)
    np.testing.assert_array_equal(tf.argmax(sample, -1), [[1, 2, 3]])
    np.testing.assert_array_equal(latent.flatten(sample), outputs / 100.0)


@pytest.mark.parametrize(
    "bound,at_zero,at_large", [("sigmoid2", 1.0, 2.0), ("softplus", np.log(2.0), 50.0)]
)
def test_gaussian_std_is_bounded_from_below(bound, at_zero, at_large):
    latent = GaussianLatent(1, minimum_std=0.1, std_bound=bound)
    outputs = tf.constant([[7.0, 0.0], [7.0, 50.0], [7.0, -50.0]])
    distribution = latent.distribution(latent.parameters(outputs)).distribution
    np.testing.assert_allclose(distribution.loc[:, 0], [7.0, 7.0, 7.0])
    expected = [at_zero + 0.1, at_large + 0.1, 0.1]
    np.testing.assert_allclose(distribution.scale[:, 0], expected, rtol=1e-6)


def test_an_unknown_bound_is_listed_with_the_known_ones():
    with pytest.raises(UserError, match="is 'relu', but must be 'sigmoid2' or 'softplus'"):
        GaussianLatent(std_bound="relu")
