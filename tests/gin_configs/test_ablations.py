"""Every variant of the paper: constructs, updates, and its switch does what it says."""

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.agents.learner import Learner, behavior_gradients
from dreamer_tf.environments.atari import AtariEnvironment
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.networks import schedules
from dreamer_tf.networks.distributions import tfd
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import Batch
from tests.helpers import TINY, bind

SEED = tf.constant([1, 2])
UPDATE = tf.constant(0, tf.int64)
SPACE = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)})
NUM_ACTIONS = 4
DIRECTORY = gin_files.shipped_directory() / "ablations"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.gin"))


def make(name, *bindings) -> Learner:
    gin.clear_config()
    gin_files.parse([f"{name}.gin"], [*TINY, "WorldModel.free_nats=0.0", *bindings])
    return Learner(SPACE, gymnasium.spaces.Discrete(NUM_ACTIONS), seed=0)


def random_batch(size=3, length=6) -> Batch:
    rng = np.random.default_rng(0)
    is_first, is_last, is_terminal = (
        tf.constant(rng.random((size, length)) < 0.1) for _ in range(3)
    )
    action = tf.one_hot(rng.integers(0, NUM_ACTIONS, (size, length)), NUM_ACTIONS)
    image = tf.constant(rng.integers(0, 256, (size, length, 64, 64, 1), np.uint8))
    reward = tf.constant(rng.normal(size=(size, length)), tf.float32)
    return Batch(
        observation={"image": image},
        action=action,
        reward=reward,
        is_first=is_first,
        is_last=is_last,
        is_terminal=is_terminal,
    )


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


@pytest.mark.parametrize("name", NAMES)
def test_file_updates_once(name):
    """Two compiled updates with every weight finite, and one trace."""
    gin_files.parse([f"{name}.gin"], TINY)
    environment = launch.make_environment()
    learner = Learner(environment.observation_space, environment.action_space, seed=0)
    batch = random_batch()
    sequences = Sequences(
        observation={"image": batch.observation["image"].numpy()},
        action=np.argmax(batch.action, -1).astype(np.int32),
        reward=batch.reward.numpy(),
        is_first=batch.is_first.numpy(),
        is_last=batch.is_last.numpy(),
        is_terminal=batch.is_terminal.numpy(),
    )
    for _ in range(2):
        metrics = learner.update(sequences)
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert float(metrics["world_model_skipped_updates"]) == 0
    assert all(np.isfinite(value.numpy()).all() for value in learner.variables().values())
    assert learner.num_traces == 1


@pytest.mark.parametrize("name", NAMES)
def test_file_changes_only_what_it_names(name):
    """It includes its base and binds nothing that has the base's value already."""
    lines = (DIRECTORY / f"{name}.gin").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith("#")]
    assert code[0] == "include 'atari.gin'"
    gin_files.parse(["atari.gin"])
    base = gin_files.bindings()
    gin.clear_config()
    gin_files.parse([f"{name}.gin"])
    changed = {key for key, value in gin_files.bindings().items() if base.get(key) != value}
    named = {line.partition("=")[0].strip() for line in code[1:]}
    repeated = named - changed
    allowed = {"ActorCritic.gradient_mixing"} if name == "reinforce_only" else set()
    allowed |= {"ReleasedSampling.prioritize_ends"}
    assert repeated <= allowed and changed <= named


def test_no_image_gradients():
    normal, ablated = loss_gradients(make("atari")), loss_gradients(make("no_image_gradients"))
    assert normal["image"]["encoder"] > 0 and normal["image"]["rssm"] > 0
    assert ablated["image"]["encoder"] == ablated["image"]["rssm"] == 0
    assert ablated["image"]["decoder"] > 0
    assert ablated["reward"]["encoder"] > 0 and ablated["kl"]["encoder"] > 0


def test_no_reward_gradients():
    normal, ablated = loss_gradients(make("atari")), loss_gradients(make("no_reward_gradients"))
    assert normal["reward"]["encoder"] > 0
    assert ablated["reward"]["encoder"] == ablated["reward"]["rssm"] == 0
    assert ablated["reward"]["reward"] > 0 and ablated["image"]["encoder"] > 0


def kl_gradients(model, posterior, prior):
    with tf.GradientTape() as tape:
        tape.watch([posterior, prior])
        loss, _ = model.kl_loss(posterior, prior)
    return tape.gradient(loss, [posterior, prior])


def test_no_kl_balancing():
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
def test_latents(name, event):
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


def test_no_layer_norm():
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
        trajectory = behavior.imagine(model, start, tf.zeros(4, tf.bool), SEED)
        _, target = behavior.values_and_targets(trajectory, UPDATE)
        return target, behavior, trajectory

    plain, _, _ = targets("atari")
    raised, behavior, trajectory = targets("long_term_entropy")
    entropy = behavior.actor(trajectory.features).entropy()
    assert (raised > plain).numpy().all()
    np.testing.assert_allclose(raised[-1] - plain[-1], 0.5 * entropy[-2], rtol=1e-4)


@pytest.mark.parametrize(
    "name,ends",
    [
        ("schedules", {"gradient_mixing": (0.9, 1.0), "entropy_scale": (3e-3, 3e-4)}),
        ("learning_rate_and_kl_schedules", {"kl_scale": (0.1, 0.01)}),
    ],
)
def test_schedules_anneal(name, ends):
    learner = make(name)
    owners = {"kl_scale": learner.world_model._kl_scale}
    owners["gradient_mixing"] = learner.actor_critic._mixing
    owners["entropy_scale"] = learner.actor_critic._entropy_scale
    for key, (first, last) in ends.items():
        assert float(owners[key](UPDATE)) == pytest.approx(first)
        assert float(owners[key](tf.constant(10**8, tf.int64))) == pytest.approx(last)
        middle = float(owners[key](tf.constant(10**6, tf.int64)))
        assert min(first, last) < middle < max(first, last)


def test_learning_rates_anneal():
    learner = make("learning_rate_and_kl_schedules")
    rates = {name: optimizer._learning_rate for name, optimizer in learner.optimizers.items()}
    for name, first in {"world_model": 2e-4, "actor": 4e-5, "critic": 1e-4}.items():
        assert float(rates[name](UPDATE)) == pytest.approx(first)
        assert float(rates[name](tf.constant(10**8, tf.int64))) == pytest.approx(first / 10)


def test_any_number_takes_a_schedule():
    bind(
        "a/linear_schedule.initial=1.0", "a/linear_schedule.final=0.0", "a/linear_schedule.steps=10"
    )
    with gin.config_scope("a"):
        schedule = schedules.linear_schedule()
    assert float(schedules.as_schedule(schedule)(tf.constant(5))) == 0.5
    assert float(schedules.as_schedule(0.3)(tf.constant(5))) == pytest.approx(0.3)
    assert not schedules.is_constant(schedule, 1.0) and schedules.is_constant(1, 1.0)


def test_montezuma():
    learner = make("montezuma")
    assert AtariEnvironment().name == "MontezumaRevenge"
    target = learner.world_model.discount_target(tf.constant([False, True]))
    np.testing.assert_allclose(target, [0.99, 0.0], rtol=1e-6)


def test_dreamer_v1():
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


def test_atari_released():
    learner = make("atari_released")
    assert AtariEnvironment().action_space.n == 6  # Pong's minimal set
    assert AtariEnvironment()._image_sizes == (64,)
    target = learner.world_model.discount_target(tf.constant([False]))
    np.testing.assert_allclose(target, [0.999], rtol=1e-6)
    assert learner.world_model._scales["discount"] == 5.0
