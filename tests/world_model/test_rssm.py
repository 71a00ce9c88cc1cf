"""The recurrent state-space model: what enters which step, and the gradients of its loop."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.world_model.rssm import RSSM, LatentState
from tests.helpers import bind
from tests.small_models import random_state, settings

B, T, A, E = 2, 5, 3, 4
SEED = tf.constant([1, 2])


def make(precision="float32"):
    bind("CategoricalLatent.variables=2", "CategoricalLatent.classes=3")
    return RSSM(E, A, units=7, hidden_units=8, **settings(precision))


def make_gaussian():
    """Its samples follow every change of what they depend on, unlike one-hot ones."""
    bind("RSSM.latent=@GaussianLatent()", "GaussianLatent.variables=6")
    return make()


def inputs(first=()):
    """Embeddings, actions, and flags that are set at the given steps."""
    rng = np.random.default_rng(0)
    embedding = tf.constant(rng.normal(size=(B, T, E)), tf.float32)
    action = tf.constant(rng.normal(size=(B, T, A)), tf.float32)
    flags = np.zeros((B, T), bool)
    flags[:, list(first)] = True
    return embedding, action, tf.constant(flags)


def deter(rssm, embedding, action, is_first, state=None):
    states, *_ = rssm.observe(embedding, action, is_first, state or rssm.initial(B), SEED)
    return states.deter.numpy()


def changed(array, step):
    result = array.numpy()
    result[:, step] += 1.0
    return tf.constant(result)


@pytest.mark.parametrize("precision,dtype", [("float32", "float32"), ("mixed_float16", "float16")])
def test_shapes_and_dtypes(precision, dtype):
    rssm = make(precision)
    embedding, *rest = inputs()
    embedding = tf.cast(embedding, dtype)
    states, posterior, prior = rssm.observe(embedding, *rest, rssm.initial(B), SEED)
    assert states.stoch.shape == (B, T, 6) and states.deter.shape == (B, T, 7)
    assert states.stoch.dtype == states.deter.dtype == dtype
    assert posterior.shape == prior.shape == (B, T, 2, 3)
    assert posterior.dtype == prior.dtype == tf.float32
    assert rssm.features(states).shape == (B, T, rssm.feature_size) == (B, T, 13)


def test_the_first_state_is_zero():
    state = make().initial(B)
    assert not state.stoch.numpy().any() and not state.deter.numpy().any()


def test_an_episode_start_forgets_everything_before_it():
    rssm = make_gaussian()
    embedding, action, is_first = inputs(first=[2])
    before = deter(rssm, embedding, action, is_first, random_state(rssm, B))
    forgotten = deter(rssm, changed(embedding, 1), changed(action, 1), is_first)
    assert (before[:, 1] != forgotten[:, 1]).any()
    np.testing.assert_array_equal(before[:, 2:], forgotten[:, 2:])


def test_an_episode_start_ignores_its_action():
    rssm = make_gaussian()
    embedding, action, is_first = inputs(first=[2])
    before = deter(rssm, embedding, action, is_first)
    np.testing.assert_array_equal(before, deter(rssm, embedding, changed(action, 2), is_first))


def test_without_an_episode_start_the_past_is_remembered():
    rssm = make_gaussian()
    embedding, action, is_first = inputs()
    before = deter(rssm, embedding, action, is_first)
    for state in (None, random_state(rssm, B)):
        after = deter(rssm, changed(embedding, 0), action, is_first, state)
        assert (np.abs(before - after)[:, 1:].max((0, 2)) > 0).all()


def test_the_prior_has_not_seen_the_observation_of_its_step():
    rssm = make_gaussian()
    embedding, action, is_first = inputs()
    _, *before = rssm.observe(embedding, action, is_first, rssm.initial(B), SEED)
    _, *after = rssm.observe(changed(embedding, 3), action, is_first, rssm.initial(B), SEED)
    posterior, prior = (
        np.abs(ours - theirs).max((0, 2)) for ours, theirs in zip(before, after, strict=True)
    )
    np.testing.assert_array_equal(prior[:4], 0.0)
    np.testing.assert_array_equal(posterior[:3], 0.0)
    assert posterior[3] > 0 and prior[4] > 0


def test_the_action_enters_the_step_that_it_led_to():
    rssm = make_gaussian()
    embedding, action, is_first = inputs()
    before = deter(rssm, embedding, action, is_first)
    after = deter(rssm, embedding, changed(action, 3), is_first)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3] != after[:, 3]).any()


def test_imagining_and_filtering_share_the_recurrent_state():
    """Before it has seen an observation, a step of both is the same."""
    rssm = make()
    state = random_state(rssm, B)
    embedding, action, is_first = (array[:, 0] for array in inputs())
    filtered = rssm.observe_step(embedding, action, is_first, state, SEED)
    imagined = rssm.imagine_step(state, action, SEED)
    np.testing.assert_array_equal(filtered.deter, imagined.deter)


def test_imagined_samples_follow_the_prior(mode_samples):
    rssm = make()
    imagined = rssm.imagine_step(random_state(rssm, 50), tf.zeros([50, A]), SEED)
    mode = tf.argmax(rssm.prior(imagined.deter), -1)
    np.testing.assert_array_equal(tf.argmax(tf.reshape(imagined.stoch, [50, 2, 3]), -1), mode)


def test_gradients_of_the_loop_are_those_of_single_steps(mode_samples):
    """`observe` computes the gradients of its weights after the loop; they must not change."""
    rssm = make()
    embedding, action, is_first = inputs(first=[0, 3])
    weights = tf.random.stateless_normal([B, T, rssm.feature_size], seed=[5, 6])
    variables = [variable.value for variable in rssm.trainable_variables]

    def loop(state):
        states, *_ = rssm.observe(embedding, action, is_first, state, SEED)
        return rssm.features(states)

    def single_steps(state):
        found = []
        for t in range(T):
            now = (array[:, t] for array in (embedding, action, is_first))
            state = rssm.observe_step(*now, state, SEED)
            found.append(rssm.features(state))
        return tf.stack(found, 1)

    start, gradients = random_state(rssm, B), []
    for run in (loop, single_steps):
        with tf.GradientTape() as tape:
            tape.watch(start)
            loss = tf.reduce_sum(weights * run(start))
        gradients.append(tape.gradient(loss, [*variables, *start], unconnected_gradients="zero"))
    for ours, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    reached = [
        variable.path
        for variable, gradient in zip(rssm.trainable_variables, gradients[0], strict=False)
        if np.abs(gradient).max() > 0
    ]
    assert len(reached) == len(variables) - 4  # all but the two layers of the prior


def test_split_layers_have_one_bias():
    names = {variable.path for variable in make().variables}
    for first, second in (("in_stoch", "in_action"), ("post_deter", "post_embedding")):
        assert f"rssm.{first}/bias" in names and f"rssm.{second}/bias" not in names


def test_a_state_is_a_stochastic_and_a_deterministic_part():
    rssm = make()
    state = LatentState(stoch=tf.ones([B, 6]), deter=tf.zeros([B, 7]))
    np.testing.assert_array_equal(rssm.features(state)[0], [1.0] * 6 + [0.0] * 7)
