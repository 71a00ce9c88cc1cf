"""Imagination and the losses of actor and critic, by hand."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.behavior.actor_critic import Trajectory
from dreamer_tf.behavior.returns import lambda_return
from dreamer_tf.errors import UserError
from tests.small_models import make_behavior, make_world_model, random_state

SEED, UPDATE = tf.constant([1, 2]), tf.constant(0, tf.int64)
H, N = 3, 4  # the horizon of the small models
BOX = gymnasium.spaces.Box(-1, 1, (3,))


def make(*bindings, **options):
    model = make_world_model("WorldModel.discount=0.9")
    return model, make_behavior(model, *bindings, **options)


def imagine(model, behavior, is_terminal=(False,) * N):
    start = random_state(model.rssm, N)
    return start, behavior.imagine(model, start, tf.constant(is_terminal), SEED, UPDATE)


def random_trajectory(features):
    """A trajectory that no model made, with values [H+1, N] and targets [H, N]."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return tf.constant(rng.normal(size=shape), tf.float32)

    action = tf.one_hot(rng.integers(0, 3, (H, N)), 3)
    trajectory = Trajectory(
        features=draw(H + 1, N, features),
        action=action,
        reward=draw(H + 1, N),
        discount=draw(H + 1, N),
        weight=tf.constant(rng.uniform(size=(H + 1, N)), tf.float32),
    )
    return trajectory, draw(H + 1, N), draw(H, N)


def test_a_trajectory_has_one_state_more_than_actions():
    model, behavior = make()
    _, found = imagine(model, behavior)
    assert found.features.shape == (H + 1, N, model.feature_size)
    assert found.action.shape == (H, N, 3)
    assert found.reward.shape == found.discount.shape == found.weight.shape == (H + 1, N)


def test_imagination_begins_with_the_start_state():
    model, behavior = make()
    start, found = imagine(model, behavior)
    np.testing.assert_array_equal(found.features[0], model.rssm.features(start))


def test_an_action_leads_to_the_next_state(mode_samples):
    model, behavior = make()
    state, found = imagine(model, behavior)
    for t in range(H):
        chosen = tf.argmax(behavior.actor(found.features[t]).logits, -1)
        np.testing.assert_array_equal(tf.argmax(found.action[t], -1), chosen)
        state = model.rssm.imagine_step(state, found.action[t], SEED)
        np.testing.assert_allclose(found.features[t + 1], model.rssm.features(state), atol=1e-6)


def test_the_first_discount_is_the_true_one():
    """What follows a terminal state counts for nothing; the state itself counts."""
    model, behavior = make()
    _, found = imagine(model, behavior, is_terminal=(True, False, False, False))
    np.testing.assert_allclose(found.discount[0], [0.0, 0.9, 0.9, 0.9])
    np.testing.assert_array_equal(found.weight[:, 0], [1.0, 0.0, 0.0, 0.0])
    predicted = model.discount(found.features, UPDATE)
    np.testing.assert_allclose(found.discount[1:], predicted[1:], rtol=1e-6)
    np.testing.assert_allclose(found.weight[2, 1:], 0.9 * predicted[1, 1:], rtol=1e-6)


def test_targets_are_lambda_returns_of_the_target_critic():
    model, behavior = make("ActorCritic.lambda_=0.7")
    for variable in behavior.critic.variables:
        variable.assign(variable.value + 1.0)  # must not matter
    _, found = imagine(model, behavior)
    value, target = behavior.values_and_targets(found, UPDATE)
    expected = behavior.target_critic.value(found.features)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    returns = lambda_return(
        found.reward[:-1], expected[:-1], found.discount[:-1], expected[-1], 0.7
    )
    np.testing.assert_allclose(target, returns, rtol=1e-6)


@pytest.mark.parametrize("mixing", [1.0, 0.0, 0.3])
def test_actor_loss_is_equation_6(mixing):
    model, behavior = make(f"ActorCritic.gradient_mixing={mixing}", "ActorCritic.entropy_scale=0.2")
    trajectory, value, target = random_trajectory(model.feature_size)
    loss, entropy = behavior.actor_loss(trajectory, value, target, UPDATE)
    expected = []
    for t in range(H - 1):
        policy = behavior.actor(trajectory.features[t])
        reinforce = policy.log_prob(trajectory.action[t]) * (target[t + 1] - value[t])
        np.testing.assert_allclose(entropy[t], policy.entropy(), rtol=1e-5)
        objective = mixing * reinforce + (1 - mixing) * target[t + 1] + 0.2 * policy.entropy()
        expected.append(trajectory.weight[t] * objective)
    assert float(loss) == pytest.approx(-np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("mixing", [1.0, 0.3])
def test_equation_6_can_be_read_literally(mixing):
    """V[t] - v(z[t]) and V[t] at one index, for t = 1 .. H-1."""
    model, behavior = make(
        f"ActorCritic.gradient_mixing={mixing}",
        "ActorCritic.entropy_scale=0.2",
        "ActorCritic.literal_actor_loss=True",
    )
    trajectory, value, target = random_trajectory(model.feature_size)
    loss, entropy = behavior.actor_loss(trajectory, value, target, UPDATE)
    expected = []
    for t in range(1, H):
        policy = behavior.actor(trajectory.features[t])
        reinforce = policy.log_prob(trajectory.action[t]) * (target[t] - value[t])
        np.testing.assert_allclose(entropy[t - 1], policy.entropy(), rtol=1e-5)
        objective = mixing * reinforce + (1 - mixing) * target[t] + 0.2 * policy.entropy()
        expected.append(trajectory.weight[t] * objective)
    assert float(loss) == pytest.approx(-np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("literal", [True, False])
def test_the_online_critic_can_be_the_baseline(literal):
    model, behavior = make(
        "ActorCritic.entropy_scale=0.0",
        "ActorCritic.baseline='online'",
        f"ActorCritic.literal_actor_loss={literal}",
    )
    for variable in behavior.critic.variables:
        variable.assign(variable.value + 0.1)  # so that it is not the target critic
    trajectory, value, target = random_trajectory(model.feature_size)
    weights = [variable.value for variable in behavior.critic.variables]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss, _ = behavior.actor_loss(trajectory, value, target, UPDATE)
    assert all(gradient is None for gradient in tape.gradient(loss, weights))  # it only centres
    expected = []
    for t in range(H - 1):
        at = t + literal
        features = trajectory.features[at]
        baseline = behavior.critic.value(features)
        advantage = target[t + 1] - baseline
        reinforce = behavior.actor(features).log_prob(trajectory.action[at]) * advantage
        expected.append(trajectory.weight[at] * reinforce)
    assert float(loss) == pytest.approx(-np.mean(expected), rel=1e-4)


def test_an_unknown_baseline_is_an_error():
    with pytest.raises(UserError, match="is 'slow', but must be 'target' or 'online'"):
        make("ActorCritic.baseline='slow'")


def test_critic_loss_is_equation_5():
    model, behavior = make()
    trajectory, _, target = random_trajectory(model.feature_size)
    loss, mean = behavior.critic_loss(trajectory, target)
    expected = behavior.critic.value(trajectory.features[:-1])
    np.testing.assert_allclose(mean, expected, rtol=1e-5)
    error = 0.5 * (expected - target) ** 2 + 0.5 * np.log(2 * np.pi)
    assert float(loss) == pytest.approx(np.mean(trajectory.weight[:-1] * error), rel=1e-4)


def test_critic_loss_differentiates_neither_targets_nor_states():
    model, behavior = make()
    trajectory, _, target = random_trajectory(model.feature_size)
    with tf.GradientTape() as tape:
        tape.watch([*trajectory[:5], target])
        loss, _ = behavior.critic_loss(trajectory, target)
    assert tape.gradient(loss, [*trajectory[:5], target]) == [None] * 6


def test_reinforce_does_not_differentiate_its_returns():
    model, behavior = make("ActorCritic.gradient_mixing=1.0")
    trajectory, value, target = random_trajectory(model.feature_size)
    with tf.GradientTape() as tape:
        tape.watch([*trajectory[:5], value, target])
        loss, _ = behavior.actor_loss(trajectory, value, target, UPDATE)
    assert tape.gradient(loss, [*trajectory[:5], value, target]) == [None] * 7


@pytest.mark.parametrize("stop", [True, False])
def test_the_log_probability_is_differentiated_through_the_action_on_request(stop):
    model, behavior = make(
        f"ActorCritic.stop_action_gradient={stop}",
        "ActorCritic.gradient_mixing=0.5",
        action_space=BOX,
    )
    trajectory, value, target = random_trajectory(model.feature_size)
    action = 0.5 * trajectory.action
    with tf.GradientTape() as tape:
        tape.watch(action)
        loss, _ = behavior.actor_loss(trajectory._replace(action=action), value, target, UPDATE)
    assert (tape.gradient(loss, action) is None) == stop


@pytest.mark.parametrize("space,dynamics", [(gymnasium.spaces.Discrete(3), False), (BOX, True)])
def test_the_paper_chooses_the_gradient_by_the_kind_of_action(space, dynamics):
    _, behavior = make(
        "ActorCritic.gradient_mixing=None", "ActorCritic.entropy_scale=None", action_space=space
    )
    assert behavior.uses_dynamics == dynamics and behavior.uses_reinforce != dynamics
    assert float(behavior._entropy_scale(UPDATE)) == pytest.approx(1e-4 if dynamics else 1e-3)


def test_a_term_of_a_wrong_shape_is_named():
    model, behavior = make()
    trajectory, value, target = random_trajectory(model.feature_size)
    short = trajectory._replace(weight=trajectory.weight[:, :1])
    with pytest.raises(ValueError, match=r"actor_loss: weight is \(2, 1\), but must be \(2, 4\)"):
        behavior.actor_loss(short, value, target, UPDATE)
    with pytest.raises(ValueError, match=r"critic_loss: weight is \(3, 1\), but must be \(3, 4\)"):
        behavior.critic_loss(short, target)


def test_a_horizon_without_an_actor_term_is_an_error():
    with pytest.raises(
        UserError, match=r"ActorCritic\.horizon is 1, but must be a whole number from 2"
    ):
        make("ActorCritic.horizon=1")


def first_kernels(behavior):
    return [critic.variables[0].numpy() for critic in (behavior.critic, behavior.target_critic)]


def test_the_target_critic_begins_as_a_copy():
    _, behavior = make()
    np.testing.assert_array_equal(*first_kernels(behavior))


def test_the_target_critic_is_copied_at_its_interval():
    """The first call copies fully, whatever the fraction."""
    _, behavior = make(
        "ActorCritic.slow_update_interval=2", "ActorCritic.slow_update_fraction=0.25"
    )
    expected = [1.0, 1.0, 1.0 + 0.25 * 2, 1.0 + 0.25 * 2]
    behavior.copy_critic(0.0)
    for variable in [*behavior.critic.variables, *behavior.target_critic.variables]:
        variable.assign(np.zeros(variable.shape))
    for call, target in enumerate(expected):
        for variable in behavior.critic.variables:
            variable.assign(np.full(variable.shape, call + 1.0))
        behavior.update_target_critic()
        np.testing.assert_allclose(first_kernels(behavior)[1], target)
    assert int(behavior.slow_updates) == 4


def test_what_is_not_trained_is_copied_too():
    """A frozen layer of the target critic kept weights of its own."""
    _, behavior = make("ActorCritic.slow_update_fraction=0.25")
    frozen = [critic.variables[0] for critic in (behavior.critic, behavior.target_critic)]
    for variable in frozen:
        variable.trainable = False
    behavior.copy_critic(1.0)
    frozen[0].assign(np.full(frozen[0].shape, 3.0))
    behavior.copy_critic(0.25)
    np.testing.assert_array_equal(frozen[1], frozen[0])
