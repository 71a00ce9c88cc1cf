"""The switch of every ablation does what it says, shown with gradients or samples."""

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.agents.learner import Learner, behavior_gradients
from dreamer_tf.experiment import gin_files
from dreamer_tf.networks.distributions import tfd
from dreamer_tf.world_model.rssm import LatentState
from tests.gin_configs.learners import NUM_ACTIONS, SEED, SPACE, UPDATE, make, random_batch
from tests.helpers import bind


def norms(tape, loss, variables) -> float:
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return float(sum(tf.norm(gradient) for gradient in gradients if gradient is not None))


def loss_gradients(learner) -> dict[str, dict[str, float]]:
    """Size of the gradient of each loss in each part of the world model."""
    model = learner.world_model
    parts = {
        "encoder": model.encoder.trainable_variables,
        "rssm": model.rssm.trainable_variables,
        "decoder": model.decoder.trainable_variables,
        "reward": model._reward.trainable_variables,
    }
    with tf.GradientTape(persistent=True) as tape:
        _, outputs = model.loss(random_batch(), SEED, UPDATE)
    return {
        name: {part: norms(tape, loss, variables) for part, variables in parts.items()}
        for name, loss in outputs.losses.items()
    }


def actor_gradients(learner) -> list[np.ndarray]:
    """Gradient of the actor."""
    rssm = learner.world_model.rssm
    rng = np.random.default_rng(1)
    start = LatentState(
        tf.constant(rng.normal(size=(8, rssm.latent.size)), tf.float32),
        tf.constant(rng.normal(size=(8, rssm.units)), tf.float32),
    )
    found = behavior_gradients(
        learner.world_model,
        learner.actor_critic,
        learner.optimizers,
        start=start,
        is_terminal=tf.zeros(8, tf.bool),
        seed=SEED,
        update=UPDATE,
    )
    return [np.asarray(gradient) for gradient in found.actor]


def assert_close(ours, theirs):
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-7)


def differ(ours, theirs) -> bool:
    return any(
        not np.allclose(left, right, rtol=1e-3, atol=1e-7)
        for left, right in zip(ours, theirs, strict=True)
    )


def test_without_image_gradients_the_image_loss_trains_only_the_decoder():
    normal, ablated = loss_gradients(make("atari")), loss_gradients(make("no_image_gradients"))
    assert normal["image"]["encoder"] > 0 and normal["image"]["rssm"] > 0
    assert ablated["image"]["encoder"] == ablated["image"]["rssm"] == 0
    assert ablated["image"]["decoder"] > 0
    assert ablated["reward"]["encoder"] > 0 and ablated["kl"]["encoder"] > 0


def test_without_reward_gradients_the_reward_loss_trains_only_its_head():
    normal, ablated = loss_gradients(make("atari")), loss_gradients(make("no_reward_gradients"))
    assert normal["reward"]["encoder"] > 0
    assert ablated["reward"]["encoder"] == ablated["reward"]["rssm"] == 0
    assert ablated["reward"]["reward"] > 0 and ablated["image"]["encoder"] > 0


def kl_gradients(model, posterior, prior):
    with tf.GradientTape() as tape:
        tape.watch([posterior, prior])
        loss, _ = model.kl_loss(posterior, prior)
    return tape.gradient(loss, [posterior, prior])


def test_without_kl_balancing_both_sides_get_the_full_gradient():
    """Posterior and prior get the full gradient instead of 0.2 and 0.8 of it."""
    rng = np.random.default_rng(0)
    posterior, prior = (tf.constant(rng.normal(size=(5, 3, 4)), tf.float32) for _ in range(2))
    balanced = kl_gradients(make("atari").world_model, posterior, prior)
    plain = kl_gradients(make("no_kl_balancing").world_model, posterior, prior)
    np.testing.assert_allclose(balanced[0], 0.2 * plain[0], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(balanced[1], 0.8 * plain[1], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    "name,event", [("gaussian_latents", (6,)), ("binary_latents", (12,)), ("atari", (3, 4))]
)
def test_the_posterior_is_of_the_named_family(name, event):
    """The posterior is of the named family, and the image loss reaches the encoder through it."""
    learner = make(name)
    latent = learner.world_model.rssm.latent
    distribution = latent.distribution(latent.parameters(tf.zeros([2, latent.parameter_size])))
    family = {"gaussian_latents": tfd.Normal, "binary_latents": tfd.Bernoulli}
    assert isinstance(distribution.distribution, family.get(name, tfd.OneHotCategorical))
    assert tuple(distribution.event_shape) == event
    assert loss_gradients(learner)["image"]["encoder"] > 0


def cut_actions(learner) -> None:
    """Actions no longer move the states."""
    for variable in learner.world_model.rssm.trainable_variables:
        if "in_action" in variable.path:
            variable.assign(variable.value * 0.0)


def test_no_policy_reinforce_learns_through_the_dynamics_only():
    """Without a path from action to state, only the entropy is left."""
    quiet = "ActorCritic.entropy_scale=0.0"
    learner = make("no_policy_reinforce", quiet)
    assert any(np.abs(gradient).max() > 0 for gradient in actor_gradients(learner))
    cut_actions(learner)
    assert all(np.abs(gradient).max() == 0 for gradient in actor_gradients(learner))
    assert learner.actor_critic.uses_reinforce is False


def test_reinforce_only_needs_no_path_through_the_dynamics():
    quiet = "ActorCritic.entropy_scale=0.0"
    learner = make("reinforce_only", quiet)
    cut_actions(learner)
    assert any(np.abs(gradient).max() > 0 for gradient in actor_gradients(learner))
    assert learner.actor_critic.uses_dynamics is False


def test_mixed_gradients_are_the_mixture():
    quiet = "ActorCritic.entropy_scale=0.0"
    reinforce = actor_gradients(make("reinforce_only", quiet))
    dynamics = actor_gradients(make("no_policy_reinforce", quiet))
    mixed = actor_gradients(make("mixed_gradients", quiet))
    assert differ(reinforce, dynamics)
    expected = [0.9 * left + 0.1 * right for left, right in zip(reinforce, dynamics, strict=True)]
    assert_close(mixed, expected)


def test_without_layer_norm_the_gru_has_no_norm_weights():
    names = [variable.path for variable in make("no_layer_norm").world_model.variables]
    assert not any("norm" in name for name in names)
    names = [variable.path for variable in make("atari").world_model.variables]
    assert any("rssm.gru.norm" in name for name in names)


def test_random_data_is_collected_by_a_uniform_policy(tmp_path):
    make("random_data")
    bind("DreamerV2Agent.prefill_steps=0", "DreamerV2Agent.train_ratio=100000")
    agent = DreamerV2Agent(SPACE, gymnasium.spaces.Discrete(NUM_ACTIONS), base_dir=tmp_path)
    observation = {"image": np.zeros((64, 64, 1), np.uint8)}
    actions = [agent.begin_episode(observation)]
    actions += [agent.step(0.0, observation) for _ in range(400)]
    np.testing.assert_allclose(np.bincount(actions) / len(actions), 1 / NUM_ACTIONS, atol=0.1)
    assert agent.seconds["policy"] == 0.0  # the actor was never asked


def test_long_term_entropy_raises_the_returns():
    def targets(name):
        learner = make(name, "ActorCritic.entropy_scale=0.5")
        behavior, model = learner.actor_critic, learner.world_model
        start = model.rssm.initial(4)
        trajectory = behavior.imagine(model, start, tf.zeros(4, tf.bool), SEED, UPDATE)
        _, target = behavior.values_and_targets(trajectory, UPDATE)
        return target, behavior, trajectory

    plain, _, _ = targets("atari")
    raised, behavior, trajectory = targets("long_term_entropy")
    entropy = behavior.actor(trajectory.features).entropy()
    assert (raised > plain).numpy().all()
    np.testing.assert_allclose(raised[-1] - plain[-1], 0.5 * entropy[-2], rtol=1e-4)


def test_dreamer_v1_has_gaussian_latents_free_nats_and_dynamics_gradients():
    """Gaussian latents, free nats without gradient below them, dynamics gradients, noise."""
    learner = make("dreamer_v1", "WorldModel.free_nats=3.0")
    model = learner.world_model
    assert isinstance(
        model.rssm.latent.distribution(tf.ones([1, 2 * model.rssm.latent.size])).distribution,
        tfd.Normal,
    )
    near = tf.ones([4, 2 * model.rssm.latent.size])
    assert all(np.abs(gradient).max() == 0 for gradient in kl_gradients(model, near, near + 0.01))
    far = kl_gradients(model, near, near + 10.0)
    assert all(np.abs(gradient).max() > 0 for gradient in far)
    assert learner.actor_critic.uses_reinforce is False
    assert learner.acting.exploration_noise == 0.3


def test_action_noise_replaces_the_entropy_bonus(tmp_path):
    """The loss is the one without entropy, and 0.3 of the actions are drawn uniformly."""
    learner = make("action_noise")
    assert float(learner.actor_critic._entropy_scale(UPDATE)) == 0.0
    assert_close(
        actor_gradients(make("mixed_gradients", "ActorCritic.entropy_scale=0.0")),
        actor_gradients(learner),
    )
    for variable in learner.actor_critic.actor.variables:
        variable.assign(np.full(variable.shape, 1.0 if "out" in variable.path else 0.0))
    # A sure policy: it always takes action 2, unless the noise decides.
    bias = [v for v in learner.actor_critic.actor.variables if v.shape == (NUM_ACTIONS,)]
    bias[-1].assign([0.0, 0.0, 50.0, 0.0])
    learner.acting.refresh()
    count = 2000
    actions, _ = learner.acting.step(
        {"image": np.zeros((count, 64, 64, 1), np.uint8)},
        np.full(count, True),
        learner.acting.initial_state(count),
        counter=0,
        explore=True,
    )
    share = np.mean(actions != 2)
    assert share == pytest.approx(0.3 * (1 - 1 / NUM_ACTIONS), abs=0.04)


def test_the_model_of_appendix_c_has_13m_parameters():
    """And that of Table D1 has 22M, with the 18 actions of the protocol."""
    for name, millions in (("13m_parameters.gin", 13), ("atari.gin", 22)):
        gin.clear_config()
        gin_files.parse([name])
        learner = Learner(SPACE, gymnasium.spaces.Discrete(18), seed=0)
        assert round(sum(learner.num_parameters.values()) / 1e6) == millions
