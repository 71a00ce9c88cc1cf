"""The optimizer's safety: overflow, NaN, loss scaling. Its arithmetic is tested in parity."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks.optimizer import Optimizer


def make(**settings):
    variables = [keras.Variable([1.0, 2.0], name="a"), keras.Variable([[3.0]], name="b")]
    settings = {"learning_rate": 0.1, "weight_decay": 0.01} | settings
    return variables, Optimizer(variables, name="test", **settings)


def snapshot(variables, optimizer):
    values = {variable.name: variable.numpy().copy() for variable in variables}
    values |= {name: value.numpy().copy() for name, value in optimizer.state.items()}
    return values


class KerasAdam(keras.optimizers.Adam):
    """What this optimizer was made of before it had variables of its own."""

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        variable.assign(variable * (1.0 - 0.01))
        update = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, update),
            beta2_power=tf.pow(self.beta_2, update),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


@pytest.mark.parametrize("betas", [{}, {"beta_1": 0.5, "beta_2": 0.99}])
def test_state_and_steps_are_those_of_keras_bit_for_bit(betas):
    """So checkpoints of before fit, and a run goes on as it would have."""
    variables, optimizer = make(clip=0.0, **betas)
    twins = [keras.Variable(variable.numpy(), name=variable.name) for variable in variables]
    adam = KerasAdam(learning_rate=0.1, epsilon=1e-5, **betas)
    adam.build(twins)
    rng = np.random.default_rng(0)
    for _ in range(20):
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables]
        optimizer.apply(gradients)
        adam.apply(gradients, twins)
    ours = {name: value for name, value in optimizer.state.items() if "/adam/" in name}
    names = [f"test/adam/{index:03d}.{v.name}" for index, v in enumerate(adam.variables)]
    assert list(ours) == names and len(names) == 6
    theirs = [*adam.variables, *twins]
    for mine, other in zip([*ours.values(), *variables], theirs, strict=True):
        assert mine.dtype == other.dtype and mine.shape == other.shape
        assert mine.numpy().tobytes() == other.numpy().tobytes(), other.name


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_bad_gradient_changes_nothing(bad, compiled):
    variables, optimizer = make(loss_scaling=True, initial_scale=1024.0)
    apply = tf.function(optimizer.apply) if compiled else optimizer.apply
    assert bool(apply([tf.ones(2), tf.ones((1, 1))]).applied)
    before = snapshot(variables, optimizer)
    result = apply([tf.constant([1.0, bad]), tf.ones((1, 1))])
    assert not bool(result.applied) and not np.isfinite(float(result.grad_norm))
    after = snapshot(variables, optimizer)
    assert after.pop("test/skipped") == before.pop("test/skipped") + 1
    assert after.pop("test/loss_scale") == before.pop("test/loss_scale") / 2 == 512.0
    assert after.pop("test/good_steps") == 0 and before.pop("test/good_steps") == 1
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_without_scaling_the_scale_stays_one():
    _, optimizer = make()
    optimizer.apply([tf.constant([np.nan, 1.0]), tf.ones((1, 1))])
    assert float(optimizer.loss_scale) == 1.0 and int(optimizer.skipped) == 1


def test_scaling_cancels():
    """A scaled loss with its scaled gradients makes the same step."""
    plain_variables, plain = make()
    scaled_variables, scaled = make(loss_scaling=True, initial_scale=256.0)
    assert float(scaled.scale_loss(tf.constant(2.0))) == 512.0
    gradients = [tf.constant([0.3, -0.2]), tf.constant([[0.1]])]
    plain.apply(gradients)
    scaled.apply([gradient * 256.0 for gradient in gradients])
    for ours, theirs in zip(plain_variables, scaled_variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_the_scale_grows_after_good_steps():
    _, optimizer = make(loss_scaling=True, initial_scale=8.0, scale_period=3)
    for expected in (8.0, 8.0, 16.0, 16.0):
        optimizer.apply([tf.ones(2), tf.ones((1, 1))])
        assert float(optimizer.loss_scale) == expected


def test_an_unused_variable_only_decays():
    variables, optimizer = make()
    optimizer.apply([tf.ones(2), None])
    np.testing.assert_allclose(variables[1].numpy(), [[3.0 * 0.99]])


def test_learning_rate_schedule_follows_the_steps():
    variables, optimizer = make(
        learning_rate=lambda update: tf.where(update < 1, 0.0, 0.5), weight_decay=0.0
    )
    before = variables[0].numpy()
    optimizer.apply([tf.ones(2), tf.ones((1, 1))])
    np.testing.assert_array_equal(variables[0].numpy(), before)
    optimizer.apply([tf.ones(2), tf.ones((1, 1))])
    assert (variables[0].numpy() < before).all()
